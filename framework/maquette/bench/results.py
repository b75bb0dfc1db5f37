"""Running a suite: metrics of the finished runs, one results file and one contact sheet."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maquette.bench.running import Job, Outcome, run_jobs, suite_jobs
from maquette.bench.suites import Suite
from maquette.config.loading import load_method
from maquette.errors import RunError
from maquette.files import write_atomically
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, revision, versions

_log = logging.getLogger(__name__)


def run_suite(
    suite: Suite, root: Path, destination: Path, processes: int = 1, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Run all of a suite, measure it, and write `<destination>/<name>.json` and `.png`.

    Args:
        suite: what to run.
        root: folder of the runs; finished runs are not repeated.
        destination: folder of the results.
        processes: number of parallel runs.
        overrides: further key=value words for every run.

    Returns:
        The contents of the JSON file.

    Raises:
        RunError: all runs failed.
    """
    metrics = {name: spec.build() for name, spec in suite.metrics.items()}  # fails before hours of runs, not after
    method = load_method(suite.method, ["prompt=(each case's)", *suite.overrides, *overrides])
    rows: dict[str, dict[str, Any]] = {}
    pictures: dict[str, list[np.ndarray]] = {}
    jobs = suite_jobs(suite, root)
    for outcome in run_jobs(suite, jobs, processes, list(overrides)):
        row, views = _measure(outcome, metrics, suite.sheet_views)
        rows[str(outcome.job.folder)], pictures[str(outcome.job.folder)] = row, views
        result = outcome.error or _format_values(row)
        _log.info("%d/%d  %s: %s", len(rows), len(jobs), outcome.job.case.prompt, result)
    ordered = [rows[str(job.folder)] for job in jobs]
    if all("error" in row for row in ordered):
        raise RunError(f"all {len(jobs)} runs failed; the first with: {ordered[0]['error']}")
    results = {
        "suite": suite.name,
        "command": shlex.join(["maquette", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d"),
        "revision": revision(),
        "versions": versions(),
        "machine": machine(),
        "method": method.plain,
        "summary": summarise([row.get("values", {}) for row in ordered], suite.bars),
        "cases": ordered,
    }
    destination.mkdir(parents=True, exist_ok=True)
    write_atomically(destination / f"{suite.name}.json", json.dumps(results, indent=1, ensure_ascii=False))
    _write_sheet(jobs, pictures, destination / f"{suite.name}.png")
    return results


def summarise(values: Sequence[Mapping[str, float]], bars: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Mean of each value over the cases, with its 95 % bootstrap interval; a failed case counts as 0."""
    rng = np.random.default_rng(0)
    summary: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for row in values for name in row):
        column = np.array([row.get(name, 0.0) for row in values])
        means = rng.choice(column, (2000, len(column))).mean(1)
        low, high = np.percentile(means, [2.5, 97.5])
        summary[name] = {
            "mean": round(float(column.mean()), 4),
            "interval_95": [round(float(low), 4), round(float(high), 4)],
        }
        if name in bars:
            summary[name] |= {"bar": bars[name], "passed": bool(column.mean() >= bars[name])}
    return summary


def _measure(outcome: Outcome, metrics: Mapping[str, Any], views: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    job, run = outcome.job, outcome.job.run
    row: dict[str, Any] = {"prompt": job.case.prompt, "labels": dict(job.case.labels), "seed": job.seed}
    if outcome.error or run is None:
        return row | {"error": outcome.error}, []
    scene = finished_scene(run)
    values: dict[str, float] = {}
    facts: dict[str, Any] = {}
    for name, metric in metrics.items():
        measured = metric(scene, job.case)
        values |= {f"{name}/{key}": round(value, 4) for key, value in measured.values.items()}
        facts |= {f"{name}/{key}": fact for key, fact in measured.facts.items()}
    manifest = json.loads(run.manifest.read_text())
    row |= {"values": values, "facts": facts, "wall_seconds": manifest.get("wall_seconds")}
    pictures = scene.render([360 * i / views for i in range(views)], 20.0, 128, normals=False).rgb.numpy()
    return row, list(pictures)


def _format_values(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in row["values"].items())


def _write_sheet(jobs: Sequence[Job], pictures: Mapping[str, list[np.ndarray]], path: Path) -> None:
    across = 2 if len(jobs) > 12 else 1  # cases side by side
    rows, labels = [], []
    for first in range(0, len(jobs), across):
        row_jobs = jobs[first : first + across]
        rows.append([picture for job in row_jobs for picture in pictures[str(job.folder)]])
        labels.append(" | ".join(job.case.prompt for job in row_jobs))
    Image.fromarray(to_bytes(contact_sheet(rows, labels))).save(path)

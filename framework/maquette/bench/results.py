"""Running a suite: metrics of the finished runs, one results file and one contact sheet."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from maquette.bench.running import SuiteJob, suite_jobs
from maquette.bench.statistics import mean_with_interval
from maquette.bench.suites import Bar, Suite
from maquette.errors import ConfigError, RunError, did_you_mean
from maquette.files import sole_writer, write_atomically
from maquette.metrics.base import Direction, Metric, check_truth
from maquette.runs.jobs import Outcome, run_jobs
from maquette.runs.measuring import measure_scene
from maquette.runs.view_sheets import sheet_views, write_sheet
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, read_manifest, revision, versions

_log = logging.getLogger(__name__)


def run_suite(
    suite: Suite, root: Path, destination: Path, processes: int = 1, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Run all of a suite, measure it, and write `<destination>/<name>.json` and `.png`.

    A finished run is used again if its fingerprint is that of the job: the same configuration, inputs, weights and
    versions of the parts. Where one differs, the job is run anew beside it.

    Args:
        suite: what to run.
        root: folder of the runs.
        destination: folder of the results.
        processes: number of parallel runs.
        overrides: further key=value words for every run.

    Returns:
        The contents of the JSON file.

    Raises:
        ConfigError: the method or a bar is invalid.
        RunError: all runs failed, or another process is running the suite in this folder.
    """
    metrics = {name: spec.build() for name, spec in suite.metrics.items()}  # fails before hours of runs, not after
    directions = _directions(metrics)
    _check_bars(suite.bars, directions)
    for metric, case in product(metrics.values(), suite.cases):
        check_truth(metric, case)
    jobs = suite_jobs(suite, root, overrides)
    root.mkdir(parents=True, exist_ok=True)
    rows: dict[SuiteJob, dict[str, Any]] = {}
    pictures: dict[SuiteJob, list[np.ndarray]] = {}
    with sole_writer(root, "suite"), closing(run_jobs(jobs, processes)) as outcomes:
        for outcome in outcomes:
            job = outcome.job
            rows[job], pictures[job] = _measure(outcome, metrics, suite.sheet_views)
            result = outcome.error or _format_values(rows[job])
            _log.info("%d/%d  %s: %s", len(rows), len(jobs), job.case.prompt, result)
        ordered = [rows[job] for job in jobs]
        if all("error" in row for row in ordered):
            raise RunError(f"all {len(jobs)} runs failed; the first with: {ordered[0]['error']}")
        commit = revision()
        results = {
            "suite": suite.name,
            "command": shlex.join(["maquette", *sys.argv[1:]]),
            "date": time.strftime("%Y-%m-%d"),
            "revision": commit,
            "uncommitted_changes": bool(commit and commit.endswith("+")),
            "versions": versions(),
            "machine": machine(),
            "method": dict(jobs[0].fingerprint.config) | {"prompt": "(each case's)", "seed": "(each case's)"},
            "summary": summarise(_by_case(suite, jobs, rows), suite.bars, directions),
            "failed": sum("error" in row for row in ordered),
            "cases": ordered,
        }
        destination.mkdir(parents=True, exist_ok=True)
        write_atomically(destination / f"{suite.name}.json", json.dumps(results, indent=1, ensure_ascii=False))
        _write_sheet(jobs, pictures, destination / f"{suite.name}.png")
    return results


def passed(results: Mapping[str, Any]) -> bool:
    """Whether no case failed and each bar was reached."""
    return not results["failed"] and all(value.get("passed", True) for value in results["summary"].values())


def summarise(
    cases: Sequence[Sequence[Mapping[str, float]]], bars: Mapping[str, Bar], directions: Mapping[str, Direction]
) -> dict[str, dict[str, Any]]:
    """Mean of each value over the cases, with its 95 % bootstrap interval over cases.

    Args:
        cases: for each case the values of its runs, one per seed, which are averaged first; failed runs have none, and
            cases of which all runs failed are left out and counted.
        bars, directions: of the values, by name.
    """
    summary: dict[str, dict[str, Any]] = {}
    for name, direction in directions.items():
        seeds = [[row[name] for row in rows if name in row] for rows in cases]
        column = np.array([np.mean(values) for values in seeds if values])
        if not len(column):
            continue
        summary[name] = {
            **mean_with_interval(column.tolist()),
            "cases": len(column),
            "missing": len(cases) - len(column),
            "better": direction,
        }
        if name in bars:
            bar = bars[name]
            limits = {"at_least": bar.at_least, "at_most": bar.at_most}
            summary[name]["bar"] = {key: limit for key, limit in limits.items() if limit is not None}
            summary[name]["passed"] = bar.passes(float(column.mean()))
    return summary


def _directions(metrics: Mapping[str, Any]) -> dict[str, Direction]:
    return {f"{name}/{key}": way for name, metric in metrics.items() for key, way in metric.directions().items()}


def _check_bars(bars: Mapping[str, Bar], directions: Mapping[str, Direction]) -> None:
    for name in bars:
        if name not in directions:
            raise ConfigError(
                "no metric of the suite measures this", key=f"bars.{name}",
                hint=f"{did_you_mean(name, directions)}measured: {', '.join(directions)}",
            )  # fmt: skip


def _by_case(
    suite: Suite, jobs: Sequence[SuiteJob], rows: Mapping[SuiteJob, Mapping[str, Any]]
) -> list[list[Mapping[str, float]]]:
    """Values of the successful runs of each case."""
    count = len(suite.seeds)
    groups = [jobs[first : first + count] for first in range(0, len(jobs), count)]
    return [[rows[job]["values"] for job in group if "values" in rows[job]] for group in groups]


def _measure(
    outcome: Outcome[SuiteJob], metrics: Mapping[str, Metric], views: int
) -> tuple[dict[str, Any], list[np.ndarray]]:
    job, run = outcome.job, outcome.job.run
    row: dict[str, Any] = {"prompt": job.case.prompt, "labels": dict(job.case.labels), "seed": job.seed}
    row["fingerprint"] = job.fingerprint.record()
    if outcome.error or run is None:
        return row | {"error": outcome.error}, []
    scene = finished_scene(run)
    values: dict[str, float] = {}
    facts: dict[str, Any] = {}
    for name, measured in measure_scene(scene, metrics, job.case).items():
        values |= {f"{name}/{key}": value for key, value in measured.values.items()}
        facts |= {f"{name}/{key}": fact for key, fact in measured.facts.items()}
    manifest = read_manifest(run.manifest)
    row |= {"values": values, "facts": facts, "wall_seconds": manifest.get("wall_seconds")}
    row |= {"revision": manifest.get("revision"), "threads": manifest.get("machine", {}).get("threads")}
    return row, sheet_views(scene, views)


def _format_values(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in row["values"].items())


def _write_sheet(jobs: Sequence[SuiteJob], pictures: Mapping[SuiteJob, list[np.ndarray]], path: Path) -> None:
    write_sheet([(job.case.prompt, pictures[job]) for job in jobs], path)

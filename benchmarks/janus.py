"""How often text to 3D shows a front from several sides: score distillation, Perp-Neg, MVDream, and instant.

    python benchmarks/janus.py                          # 16 prompts, four ways, two seeds; 128 runs
    python benchmarks/janus.py --prompts 2 --way mvdream --seeds 1

Prompts are held-out pairs of colour and category, one of each category that has a front. The judge reads azimuths from
pictures (nano-viewpoint); how often it is right is measured beside, on true objects of the test split. A run that is
there already is not repeated. Figures go to benchmarks/results/janus.json, pictures of the first seed beside them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from imageio.v3 import imwrite
from measured_runs import spent
from nano_truth import held_out_objects, pictures
from scipy.stats import binomtest, permutation_test

from maquette.bench.suites import Suite
from maquette.bench.units import Unit, suite_units
from maquette.cameras.base import orbit_cameras
from maquette.cameras.directions import wrap_deg
from maquette.config.parts import check
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.metrics.janus import Janus
from maquette.runs.jobs import run_jobs
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, revision
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG
from maquette_nano.world.categories import CATEGORIES

READER = "nano-viewpoint"  # the judge of fronts
PREVIEWS = "stages.nerf.loop.preview_every=0"
WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "sds": ("dreamfusion", ("prior=nano", PREVIEWS)),
    "perp-neg": ("perp-neg", ("prior=nano", PREVIEWS)),
    "mvdream": ("mvdream", ("prior=nano-mvdream", PREVIEWS)),
    "instant": ("instant", ()),
}
"""Way -> its method and the words of its runs."""

FRONTLESS = ("lamp", "mushroom", "tree", "rocket")  # the same from all sides, or nearly
PROMPTS, SEEDS, JUDGED = 16, 2, 8  # the last: true objects of each category that the judge is tested on
SHEET_AZIMUTHS_DEG, SHEET_SIZE = (0, 90, 180, 270), 96


def cases() -> list[dict[str, Any]]:
    """The first prompt of the benchmark for each category that has a front."""
    firsts: dict[str, str] = {}
    for prompt in world.test_prompts():
        category = next(word for word in prompt.split() if word in CATEGORIES)
        if category not in FRONTLESS:
            firsts.setdefault(category, prompt)
    return [{"prompt": prompt, "labels": {"category": category}} for category, prompt in firsts.items()]


def suite(way: str, prompts: int, seeds: int) -> Suite:
    """The runs of one way."""
    method, words = WAYS[way]
    facts = {
        "name": f"janus-{way}", "cases": cases()[:prompts], "method": method, "metrics": {"janus": {"reader": READER}},
        "seeds": list(range(seeds)),
        "overrides": [*words, "~stages.export"],
    }  # fmt: skip
    return check(Suite, facts, "", lambda key: None)


def accuracy(judge: Janus, objects: int = JUDGED) -> dict[str, Any]:
    """Accuracy of the judge on true objects with a front, per view and per object."""
    azimuth_deg = torch.tensor(judge.azimuth_deg)
    ones = torch.ones_like(azimuth_deg)
    cameras = orbit_cameras(
        azimuth_deg, judge.config.elevation_deg * ones, DISTANCE * ones, FOV_DEG * ones, judge.config.size
    )
    front = (wrap_deg(azimuth_deg).abs() < 45).numpy()
    accuracies, multi_front = [], {}
    for number, obj in enumerate(held_out_objects(objects)):
        if obj.category in FRONTLESS:
            continue
        result = judge.judge(pictures(obj, cameras).numpy(), judge.azimuth_deg)
        accuracies.append(float(np.mean((np.array(result.facts["frontness"]) > judge.config.threshold) == front)))
        multi_front[f"{number}: {obj.caption()}"] = result.values["janus"]
    return {
        "objects": len(accuracies), "views": len(accuracies) * len(front),
        "front or not": round(float(np.mean(accuracies)), 4),
        "called multi-front": rate(list(multi_front.values())),
        "which": [name for name, called in multi_front.items() if called],
    }  # fmt: skip


def rate(values: Sequence[float]) -> dict[str, Any]:
    """A fraction with its 95 % interval (Clopper and Pearson 1934)."""
    interval = binomtest(int(sum(values)), len(values)).proportion_ci()
    return {
        "count": int(sum(values)), "of": len(values), "rate": round(sum(values) / len(values), 3),
        "interval": [round(float(interval.low), 3), round(float(interval.high), 3)],
    }  # fmt: skip


def p_value(plain: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> float:
    """Two-sided p that two ways [prompts, seeds] differ: the means of a prompt may as well have been swapped.

    All swaps are counted, up to 16 prompts; with one seed this is McNemar's exact test.
    """
    means = np.mean(plain, axis=1), np.mean(other, axis=1)
    test = permutation_test(
        means, lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", n_resamples=2**PROMPTS
    )
    return round(float(test.pvalue), 4)


def measure_run(job: Unit, judge: Janus) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The judge's figures of a finished run, and its renderings from four sides."""
    assert job.run is not None
    scene = finished_scene(job.run)
    result = judge(scene, job.case)
    views = scene.render(list(SHEET_AZIMUTHS_DEG), judge.config.elevation_deg, SHEET_SIZE)
    return {**result.values, **result.facts, **spent(job.run.path)}, list(views.picture.over(1.0).numpy())


def summary(rows: dict[str, list[dict[str, Any]]], baseline: dict[str, list[dict[str, Any]]] | None) -> dict[str, Any]:
    """Rates over all runs of a way; `baseline` holds the runs of plain score distillation."""
    all_runs = [run for seeds in rows.values() for run in seeds]
    facts = {
        "janus": rate([run["janus"] for run in all_runs]), "no front": rate([run["no front"] for run in all_runs]),
        "view accuracy": round(float(np.mean([run["view accuracy"] for run in all_runs])), 3),
    }  # fmt: skip
    if baseline is None:
        return facts
    p = {name: p_value(column(baseline, name), column(rows, name)) for name in ("janus", "view accuracy")}
    return facts | {"p against sds": p}


def column(rows: dict[str, list[dict[str, Any]]], name: str) -> list[list[float]]:
    """One figure of all runs [prompts, seeds]."""
    return [[run[name] for run in seeds] for seeds in rows.values()]


def main(
    prompts: Annotated[int, typer.Option(help="how many prompts")] = PROMPTS,
    way: Annotated[list[str] | None, typer.Option(help=f"one of: {'; '.join(WAYS)}; all by default")] = None,
    seeds: Annotated[int, typer.Option(help="runs of each prompt, with seeds from 0 on")] = SEEDS,
    jobs: Annotated[int, typer.Option(help="runs at a time")] = 1,
    runs: Annotated[Path, typer.Option(help="folder of the runs")] = Path("outputs/janus"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Run what is not there yet, measure, write the table and the sheet."""
    ways, judge = way or list(WAYS), Janus(Janus.Config(READER))
    table: dict[str, dict[str, list[dict[str, Any]]]] = {}
    sheet: dict[str, list[np.ndarray | None]] = {}
    for name in ways:
        way_suite = suite(name, prompts, seeds)
        waiting = suite_units(way_suite, runs / name)
        for outcome in run_jobs(waiting, jobs):
            print(f"{name}, {outcome.job.case.prompt}, {outcome.job.seed}: {outcome.error or 'done'}", flush=True)
        table[name] = {}
        for job in waiting:
            row, views = measure_run(job, judge)
            table[name].setdefault(job.case.prompt, []).append(row)
            if job.seed == 0:
                sheet.setdefault(job.case.prompt, []).extend(views)
    report = {
        "machine": machine(), "revision": revision(), "seeds": seeds, "judge": accuracy(judge),
        "summary": {name: summary(rows, table.get("sds") if name != "sds" else None) for name, rows in table.items()},
        "results": table,
    }  # fmt: skip
    results.mkdir(parents=True, exist_ok=True)
    titles = [f"{name}, {azimuth}" for name in ways for azimuth in SHEET_AZIMUTHS_DEG]
    imwrite(results / "janus.png", to_bytes(contact_sheet(list(sheet.values()), list(sheet), titles)))
    (results / "janus.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({"judge": report["judge"], **report["summary"]}, indent=1))


if __name__ == "__main__":
    typer.run(main)

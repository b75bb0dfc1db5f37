"""How often text to 3D shows a front from several sides: plain score distillation, Perp-Neg, and MVDream.

    python benchmarks/janus.py                          # 16 prompts, three ways; 48 runs
    python benchmarks/janus.py --prompts 2 --way mvdream

Prompts are held-out pairs of colour and category, one of each category that has a front. The judge reads azimuths from
pictures (nano-viewpoint); how often it is right is measured beside, on true objects of the test split. A run that is
there already is not repeated. Figures go to benchmarks/results/janus.json, pictures beside them.
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
from nano_truth import held_out_objects, pictures
from scipy.stats import binomtest

from maquette.bench.running import Job, jobs_of, run_jobs
from maquette.bench.suites import Suite
from maquette.cameras.base import orbit_cameras
from maquette.config.parts import check
from maquette.export.sheets import contact_sheet
from maquette.export.writers import to_bytes
from maquette.metrics.janus import Janus
from maquette.runs.manifest import machine, revision
from maquette.runs.runner import finished_scene
from maquette.views import turn_deg
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG
from maquette_nano.world.categories import CATEGORIES

WAYS = {
    "sds": ("dreamfusion", "prior=nano"),
    "perp-neg": ("perp-neg", "prior=nano"),
    "mvdream": ("mvdream", "prior=nano-mvdream"),
}
FRONTLESS = ("lamp", "mushroom", "tree", "rocket")  # the same from all sides, or nearly
PROMPTS, JUDGED = 16, 8  # prompts; true objects of each category that the judge is tried on
SHOWN_DEG, SHOWN_SIZE = (0, 90, 180, 270), 96


def cases() -> list[dict[str, Any]]:
    """The first prompt of the benchmark for each category that has a front."""
    firsts: dict[str, str] = {}
    for prompt in world.test_prompts():
        category = next(word for word in prompt.split() if word in CATEGORIES)
        if category not in FRONTLESS:
            firsts.setdefault(category, prompt)
    return [{"prompt": prompt, "labels": {"category": category}} for category, prompt in firsts.items()]


def suite(way: str, prompts: int, seed: int) -> Suite:
    """The runs of one way."""
    method, prior = WAYS[way]
    facts = {
        "name": f"janus-{way}", "cases": cases()[:prompts], "method": method, "metrics": {"janus": {}}, "seeds": [seed],
        "overrides": [prior, "~stages.export", "stages.nerf.loop.preview_every=0"],
    }  # fmt: skip
    return check(Suite, facts, "", lambda key: None)


def accuracy(judge: Janus, objects: int = JUDGED) -> dict[str, Any]:
    """How often the judge is right about true objects with a front: view by view, and of whole objects."""
    azimuth_deg = torch.tensor(judge.azimuth_deg)
    ones = torch.ones_like(azimuth_deg)
    around = orbit_cameras(
        azimuth_deg, judge.config.elevation_deg * ones, DISTANCE * ones, FOV_DEG * ones, judge.config.size
    )
    front = (turn_deg(azimuth_deg).abs() < 45).numpy()
    right, multi_front = [], {}
    for number, thing in enumerate(held_out_objects(objects)):
        if thing.category in FRONTLESS:
            continue
        found = judge.judge(pictures(thing, around).numpy(), judge.azimuth_deg)
        right.append(float(np.mean((np.array(found.facts["frontness"]) > judge.config.threshold) == front)))
        multi_front[f"{number}: {thing.caption()}"] = found.values["janus"]
    return {
        "objects": len(right), "views": len(right) * len(front), "front or not": round(float(np.mean(right)), 4),
        "called multi-front": rate(list(multi_front.values())),
        "which": [name for name, called in multi_front.items() if called],
    }  # fmt: skip


def rate(values: Sequence[float]) -> dict[str, Any]:
    """A share with its 95 % interval (Clopper and Pearson 1934)."""
    known = binomtest(int(sum(values)), len(values)).proportion_ci()
    return {
        "count": int(sum(values)), "of": len(values), "rate": round(sum(values) / len(values), 3),
        "interval": [round(float(known.low), 3), round(float(known.high), 3)],
    }  # fmt: skip


def compared(plain: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p of McNemar's exact test on the same prompts."""
    better = sum(a > b for a, b in zip(plain, other, strict=True))
    worse = sum(a < b for a, b in zip(plain, other, strict=True))
    return round(float(binomtest(better, better + worse).pvalue), 4) if better + worse else 1.0


def measured(job: Job, judge: Janus) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What the judge finds in a finished run, and how it looks from four sides."""
    assert job.run is not None
    scene = finished_scene(job.run)
    found = judge(scene, job.case)
    views = scene.render(list(SHOWN_DEG), judge.config.elevation_deg, SHOWN_SIZE)
    manifest = json.loads((job.run.path / "manifest.json").read_text())
    seconds = {"cpu_seconds": round(manifest["times"]["stage nerf"]["cpu_seconds"], 1)}
    return {**found.values, **found.facts, **seconds}, list(views.over(1.0).clip(0, 1))


def main(
    prompts: Annotated[int, typer.Option(help="how many prompts")] = PROMPTS,
    way: Annotated[list[str] | None, typer.Option(help=f"one of: {'; '.join(WAYS)}; all by default")] = None,
    seed: Annotated[int, typer.Option(help="of every run")] = 0,
    jobs: Annotated[int, typer.Option(help="runs at a time")] = 1,
    runs: Annotated[Path, typer.Option(help="folder of the runs")] = Path("outputs/janus"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Run what is not there yet, measure, write the table and the sheet."""
    ways, judge = way or list(WAYS), Janus(Janus.Config())
    table: dict[str, dict[str, dict[str, Any]]] = {}
    shown: dict[str, list[np.ndarray | None]] = {}
    for name in ways:
        found = suite(name, prompts, seed)
        waiting = jobs_of(found, runs / name)
        for outcome in run_jobs(found, waiting, jobs, []):
            print(f"{name}, {outcome.job.case.prompt}: {outcome.error or 'done'}", flush=True)
        table[name] = {}
        for job in waiting:
            table[name][job.case.prompt], views = measured(job, judge)
            shown.setdefault(job.case.prompt, []).extend(views)
    columns = {name: [row["janus"] for row in rows.values()] for name, rows in table.items()}
    report = {
        "machine": machine(), "revision": revision(), "seed": seed, "judge": accuracy(judge),
        "summary": {
            name: {
                "janus": rate(values),
                "no front": rate([row["no front"] for row in table[name].values()]),
                "view accuracy": round(float(np.mean([row["view accuracy"] for row in table[name].values()])), 3),
                **({"p against sds": compared(columns["sds"], values)} if "sds" in columns and name != "sds" else {}),
            }
            for name, values in columns.items()
        },
        "results": table,
    }  # fmt: skip
    results.mkdir(parents=True, exist_ok=True)
    titles = [f"{name}, {azimuth}" for name in ways for azimuth in SHOWN_DEG]
    imwrite(results / "janus.png", to_bytes(contact_sheet(list(shown.values()), list(shown), titles)))
    (results / "janus.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({"judge": report["judge"], **report["summary"]}, indent=1))


if __name__ == "__main__":
    typer.run(main)

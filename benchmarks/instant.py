"""Text to a textured mesh by `instant`: whether encoders retrieve its captions, beside true pictures and other methods.

    python benchmarks/instant.py                           # 32 held-out prompts; 32 runs
    python benchmarks/instant.py --candidates 4 --way instant --way mvdream --name instant-ways
    python benchmarks/instant.py --prompts 8 --polish 20 --polish 60 --name instant-polish

Prompts are those of the suite nano-text. Each mesh is read as it was exported, and drawn by the rasteriser from 8 sides
over light grey. Two encoders retrieve one of 240 captions from each picture: nano-judge, which no method uses, and
nano-clip, which chooses among candidates where `--candidates` is above 1. True objects of the same captions, drawn from
the same cameras in the same run, say how often an encoder is right at best. Ways that are not run anew have the figures
of committed results, marked so. `--polish` goes on from the meshes of `instant` with so many steps of guidance
(`instant-polish`), and its seconds are those of both. A run that is there already is not repeated. Figures go to
benchmarks/results/NAME.json, pictures beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from exported import MESH, draw_exported, exported_mesh
from imageio.v3 import imwrite
from jaxtyping import Float
from measured_runs import spent
from nano_truth import pictures as true_pictures
from torch import Tensor

from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.bench.suites import Suite, load_suite
from maquette.bench.units import Unit, suite_units
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.meshes.health import mean_dihedral_deg, mesh_health
from maquette.metrics.base import Case
from maquette.metrics.r_precision import RPrecision
from maquette.randomness import Draws
from maquette.runs.jobs import run_jobs
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, read_manifest, revision
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG
from maquette_nano.world.colors import COLORS

SUITE = "nano-text"
WAYS: dict[str, tuple[str, list[str]]] = {
    "instant": ("instant", []),
    "dreamfusion": ("dreamfusion", ["prior=nano", "~stages.export"]),
    "mvdream": ("mvdream", ["prior=nano-mvdream", "~stages.export"]),
}
"""Way -> its method and the words of its runs."""

COMMITTED = {"dreamfusion": "nano-text.json", "mvdream": "nano-text-mvdream.json"}
"""Way -> results of the suite from an earlier run, by nano-clip on renderings of the scene."""

LEVELS = ("category", "category+colour")
JUDGES = {"nano-judge": 0.02, "nano-clip": 0.03}  # scorer -> by how much it may fall short of true pictures
JUDGED = tuple(f"{scorer}, {level}" for scorer in JUDGES for level in LEVELS)
CHOOSER = "nano-clip"  # among candidates
VIEWS, SIZE, ELEVATION_DEG, LIGHT_GREY = 8, 128, 20.0, 0.85  # of the pictures that are judged
OBJECTS = 4  # true objects of each caption
BAR_SECONDS = 30.0
SHEET_VIEWS = (0, 2, 4, 6)  # of the pictures that are judged
PROMPT = re.compile(r"an? (?P<body>\w+) (?P<category>\w+)(?: with (?P<detail>\w+) (?P<pattern>stripes|dots))?")


def cameras() -> Cameras:
    """Eight cameras around the object, the first in front."""
    one = torch.ones(VIEWS)
    azimuth_deg = torch.arange(VIEWS) * (360 / VIEWS)
    return orbit_cameras(azimuth_deg, ELEVATION_DEG * one, DISTANCE * one, FOV_DEG * one, SIZE)


def suite(way: str, prompts: int, candidates: int = 1) -> Suite:
    """The runs of one way."""
    method, words = WAYS[way]
    words = [*words, *([f"stages.views.candidates={candidates}"] if way == "instant" else [])]
    words += [f"stages.views.choose.scorer={CHOOSER}"] if candidates > 1 else []
    base = load_suite(SUITE)
    return replace(base, method=method, overrides=words, cases=base.cases[:prompts], bars={})


def polish_jobs(meshes: Sequence[Unit], steps: int, root: Path) -> list[Unit]:
    """Runs that go on from the meshes of finished runs of `instant`."""
    base, words = load_suite(SUITE), ["~stages.views", "~stages.shape", f"stages.polish.steps={steps}"]
    jobs: list[Unit] = []
    for mesh in meshes:
        if mesh.finished and mesh.run is not None:
            start = [*words, f"stages.polish.start={mesh.run.path.resolve()}"]
            jobs += suite_units(
                replace(base, method="instant-polish", cases=[mesh.case], overrides=start, bars={}), root
            )
    return jobs


def judges() -> dict[str, RPrecision]:
    """The metric of the suite with either encoder."""
    config = load_suite(SUITE).metrics["r-precision"].config
    return {name: RPrecision(replace(config, scorer=name, levels=LEVELS)) for name in JUDGES}


def true_objects(prompt: str) -> list[world.NanoObject]:
    """Objects of this caption, with other proportions each; a detail without a colour in the caption has any."""
    match = PROMPT.fullmatch(prompt)
    assert match is not None, f"no object of the nano world has the caption {prompt!r}"
    body, category, detail, pattern = match["body"], match["category"], match["detail"], match["pattern"]
    others = [color for color in COLORS if color != body]
    details = Draws(0, 0, f"{prompt}/").integers("detail", 0, len(others) - 1, OBJECTS).tolist()
    return [
        world.make_object(category, body, detail or others[details[seed]], pattern or "plain", seed)
        for seed in range(OBJECTS)
    ]


def rendered_views(job: Unit) -> Float[Tensor, "B H W 3"]:
    """The exported mesh of a run from all sides; the scene itself where the run exported none."""
    assert job.run is not None
    if (job.run.export / MESH).is_file():
        views = draw_exported(job.run.path, cameras())
    else:
        views = finished_scene(job.run).render_cameras(cameras(), normals=False)
    return views.picture.over(LIGHT_GREY)


def judged(pictures: Float[Tensor, "B H W 3"], case: Case, encoders: Mapping[str, RPrecision]) -> dict[str, float]:
    """Fractions of pictures with the right category, and with the right colour too, by either encoder."""
    values: dict[str, float] = {}
    for name, encoder in encoders.items():
        measured = encoder.judge(pictures.numpy(), case).values
        values |= {f"{name}, {level}": measured[level] for level in LEVELS}
    return values


def measure(job: Unit, encoders: Mapping[str, RPrecision]) -> tuple[dict[str, float], list[np.ndarray]]:
    """Figures of a finished run, and its pictures for the sheet."""
    assert job.run is not None
    pictures = rendered_views(job)
    values = judged(pictures, job.case, encoders) | spent(job.run.path)
    values["wall_seconds"] = read_manifest(job.run.manifest)["wall_seconds"]
    if (job.run.export / MESH).is_file():
        mesh = exported_mesh(job.run.path)
        health = mesh_health(mesh)
        values |= {"watertight": float(health.watertight), "components": float(health.components)}
        values["roughness_deg"] = mean_dihedral_deg(mesh)
    return values, list(pictures[list(SHEET_VIEWS)].numpy())


def truth(case: Case, encoders: Mapping[str, RPrecision]) -> tuple[dict[str, float], list[np.ndarray]]:
    """The encoders' figures on true objects of a caption, and pictures of the first."""
    everything = [true_pictures(obj, cameras(), LIGHT_GREY) for obj in true_objects(case.prompt)]
    rows = [judged(pictures, case, encoders) for pictures in everything]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return means, list(everything[0][list(SHEET_VIEWS)].numpy())


def summary(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Means over the prompts with intervals."""
    return {"prompts": len(rows)} | {name: mean_with_interval([row[name] for row in rows]) for name in rows[0]}


def committed(way: str, results: Path) -> dict[str, Any] | None:
    """Figures of a way from committed results of the suite; None if there are none."""
    path = results / COMMITTED.get(way, "none")
    if not path.is_file():
        return None
    record = json.loads(path.read_text())
    facts: dict[str, Any] = {
        f"nano-clip, {level}": {key: record["summary"][f"r-precision/{level}"][key] for key in ("mean", "interval_95")}
        for level in LEVELS
    }
    seconds = [case["wall_seconds"] for case in record["cases"] if "wall_seconds" in case]
    origin = {"from": path.name, "date": record["date"], "revision": record["revision"], "machine": record["machine"]}
    return {"prompts": len(seconds), **facts, "wall_seconds": mean_with_interval(seconds), "committed": origin}


def verdicts(rows: Mapping[str, Mapping[str, float]], true: Mapping[str, Mapping[str, float]]) -> dict[str, bool]:
    """The bars of `instant` with one candidate, and whether each is reached."""
    bars = {
        f"{scorer}, {level}: at most {100 * margin:.0f} points under true pictures":
            float(np.mean([rows[prompt][f"{scorer}, {level}"] - true[prompt][f"{scorer}, {level}"] for prompt in rows]))
            >= -margin
        for scorer, margin in JUDGES.items() for level in LEVELS
    }  # fmt: skip
    mean = float(np.mean([row["wall_seconds"] for row in rows.values()]))
    return bars | {f"{BAR_SECONDS:.0f} seconds at most": mean <= BAR_SECONDS}


def main(
    prompts: Annotated[int, typer.Option(help="how many prompts")] = 32,
    way: Annotated[list[str] | None, typer.Option(help=f"one of: {'; '.join(WAYS)}; instant by default")] = None,
    candidates: Annotated[int, typer.Option(help="above 1: instant also with the best of so many samples")] = 1,
    polish: Annotated[list[int] | None, typer.Option(help="steps of guidance on the meshes of instant")] = None,
    name: Annotated[str, typer.Option(help="of the files of figures and pictures")] = "instant",
    jobs: Annotated[int, typer.Option(help="runs at a time; 0: judge those that are there")] = 1,
    runs: Annotated[Path, typer.Option(help="folder of the runs")] = Path("outputs/instant"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Run what is not there yet, judge, write the table and the sheet."""
    encoders = judges()
    suites = {each: suite(each, prompts) for each in way or ["instant"]}
    if candidates > 1:
        suites[f"instant, best of {candidates}"] = suite("instant", prompts, candidates)
    ways = {each: suite_units(chosen, runs / _folder(each)) for each, chosen in suites.items()}
    table: dict[str, dict[str, dict[str, float]]] = {"true pictures": {}}
    sheet: dict[str, list[np.ndarray | None]] = {}
    for case in next(iter(suites.values())).cases:
        table["true pictures"][case.prompt], views = truth(case, encoders)
        sheet[case.prompt] = [*views]
    failed: list[str] = []
    for each, waiting in ways.items():
        table[each] = _run_and_judge(each, waiting, jobs, encoders, sheet, failed)
    for steps in polish or []:
        each = f"instant, polished for {steps} steps"
        waiting = polish_jobs(ways["instant"], steps, runs / _folder(each))
        table[each] = _run_and_judge(each, waiting, jobs, encoders, sheet, failed)
        for prompt, row in table[each].items():
            for spent_name in ("seconds", "cpu_seconds", "wall_seconds"):
                row[spent_name] += table["instant"][prompt][spent_name]
    report: dict[str, Any] = {
        "machine": machine(), "revision": revision(), "suite": SUITE, "views": VIEWS, "true objects": OBJECTS,
        "failed": failed, "bars": verdicts(table["instant"], table["true pictures"]) if table.get("instant") else {},
        "summary": {name: summary(list(rows.values())) for name, rows in table.items() if rows},
        "instant minus true pictures": _differences(table.get("instant", {}), table["true pictures"], JUDGED),
        "minus instant": {
            each: _differences(rows, table["instant"], (*JUDGED, "roughness_deg", "seconds"))
            for each, rows in table.items() if "instant" in table and each.startswith("instant,")
        },
        "results": table,
    }  # fmt: skip
    for each in COMMITTED:
        if each not in table and (facts := committed(each, results)) is not None:
            report["summary"][each] = facts
    results.mkdir(parents=True, exist_ok=True)
    titles = [f"{each}, {360 // VIEWS * view}°" for each in table for view in SHEET_VIEWS]
    imwrite(results / f"{name}.png", to_bytes(contact_sheet(list(sheet.values()), list(sheet), titles)))
    (results / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({key: report[key] for key in ("bars", "failed", "summary")}, indent=1))
    if failed:
        raise typer.Exit(1)


def _run_and_judge(
    way: str, waiting: Sequence[Unit], jobs: int, encoders: Mapping[str, RPrecision],
    sheet: dict[str, list[np.ndarray | None]], failed: list[str],
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Figures of a way by prompt; its pictures are added to the sheet, and what failed to the list."""
    for outcome in run_jobs(waiting, jobs) if jobs else ():
        print(f"{way}, {outcome.job.case.prompt}: {outcome.error or 'done'}", flush=True)
        failed += [f"{way}, {outcome.job.case.prompt}: {outcome.error}"] if outcome.error else []
    rows: dict[str, dict[str, float]] = {}
    for job in waiting:
        if not job.finished:
            sheet[job.case.prompt] += [None] * len(SHEET_VIEWS)
            continue
        rows[job.case.prompt], views = measure(job, encoders)
        sheet[job.case.prompt] += views
    return rows


def _folder(way: str) -> str:
    return way.replace(", ", "-").replace(" ", "-")


def _differences(
    rows: Mapping[str, Mapping[str, float]], other: Mapping[str, Mapping[str, float]], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Paired differences of the prompts that have rows."""
    if not rows:
        return {}
    return {
        name: paired_difference([rows[prompt][name] for prompt in rows], [other[prompt][name] for prompt in rows])
        for name in names
    }


if __name__ == "__main__":
    typer.run(main)

"""How well a mesh is reconstructed from a few true pictures: from the hull, from a classical and from a learned start.

    python benchmarks/reconstruct.py                       # 32 objects, 4 and 6 views, four arms; 256 runs
    python benchmarks/reconstruct.py --objects 2 --views 4 --arms visual-hull,reconstructor

Objects are the second and third of their category in the test split; constants were chosen on the first ones. Each is
seen lit, as priors paint, with its true alpha, and the exported mesh is measured by the protocol of docs/metrics.md and
by 8 silhouettes that no arm has seen. A run that is there already is not repeated. Figures go to
benchmarks/results/reconstruct.json, pictures beside them.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from exported import MESH, draw_exported, exported_mesh, normal_pictures
from imageio.v3 import imwrite
from measured_runs import run_method, spent
from nano_truth import held_out_objects

from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.data.formats import PosedImages, save_posed_images
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.meshes.mesh import Mesh
from maquette.metrics.geometry import PROTOCOL, SAMPLES, compare_meshes
from maquette.metrics.mesh_health import health_values
from maquette.metrics.pictures import COVERED, silhouette_iou
from maquette.training.manifest import machine, revision
from maquette_nano import world
from maquette_nano.posed import spiral_cameras
from maquette_nano.renders import DISTANCE, FOV_DEG
from maquette_nano.truth import true_mesh

LEARNED = {"type": "reconstructor", "weights": "nano-reconstructor"}
ARMS: dict[str, dict[str, Any]] = {
    "visual-hull": {"start": {"type": "visual-hull"}, "steps": 0},
    "normal-fusion": {"start": {"type": "normal-fusion", "estimator": "nano-depth-normals"}},
    "reconstructor": {"start": LEARNED},
    "reconstructor-alone": {"start": LEARNED, "steps": 0},
}
"""Arm -> what it changes of the stage `reconstruct`; without steps, the start is the result."""

RIGS = {4: (0.0, (15.0,)), 6: (30.0, (20.0, -10.0))}
"""Number of views -> azimuth of the first, in degrees, and their elevations in turn."""

METHOD = """
name: reconstruct-views
data: ???
stages:
  shape:
    type: reconstruct
    views: "${data}"
    estimator: nano-depth-normals
    losses: {mask: {weight: 30}, normal-l1: {weight: 1}, normal-consistency: {weight: 0.02}}
  export: {type: export, exporters: {mesh: {formats: [glb]}}}
"""
EACH, SKIPPED, OBJECTS = 2, 1, 32
SIZE, SUPERSAMPLE = 64, 4  # of the pictures that are given
UNSEEN, UNSEEN_SIZE = 8, 128  # silhouettes that are measured, from a spiral of elevations of -30 to 75 degrees
COARSE_SAMPLES = 20_000  # of a second Chamfer distance, with which earlier figures were measured
SHEET_AZIMUTHS_DEG, SHEET_ELEVATION_DEG, SHEET_SIZE = (40.0, 220.0), 25.0, 128
FIGURES = (
    "chamfer", "chamfer_20000", "f_score_1", "f_score_2", "normal_consistency", "silhouette_iou", "roughness",
    "watertight", "components", "cpu_seconds", "seconds",
)  # fmt: skip
LOWER = ("chamfer", "chamfer_20000", "roughness", "components", "cpu_seconds", "seconds")


@dataclass(frozen=True)
class Task:
    """An object of the test split and the folder of its pictures."""

    name: str
    object: world.NanoObject
    folder: Path

    @cached_property
    def mesh(self) -> Mesh:
        """The true surface."""
        return true_mesh(self.object)

    def views(self, count: int) -> Path:
        """The folder of `count` posed pictures, written if it is missing."""
        folder = self.folder / f"{count}-views"
        if not folder.exists():
            cameras = rig(count)
            picture = world.render(self.object, cameras.c2w.numpy(), FOV_DEG, SIZE, SUPERSAMPLE).picture
            names = tuple(f"view-{i}" for i in range(count))
            save_posed_images(folder, PosedImages(picture, cameras, ("train",) * count, names))
        return folder


def tasks(folder: Path) -> list[Task]:
    """The objects, as they come in the test split."""
    objects = islice(held_out_objects(EACH, SKIPPED), OBJECTS)
    return [Task(f"{i:02}-{obj.category}", obj, folder / f"{i:02}-{obj.category}") for i, obj in enumerate(objects)]


def rig(count: int) -> Cameras:
    """The cameras of the given pictures, evenly around the object."""
    first_deg, elevations_deg = RIGS[count]
    return _around([first_deg + 360 / count * i for i in range(count)], elevations_deg, SIZE)


def _around(azimuths_deg: Sequence[float], elevations_deg: Sequence[float], size: int) -> Cameras:
    one = torch.ones(len(azimuths_deg))
    elevation_deg = torch.tensor([elevations_deg[i % len(elevations_deg)] for i in range(len(one))])
    return orbit_cameras(torch.tensor(azimuths_deg), elevation_deg, DISTANCE * one, FOV_DEG * one, size)


def sheet_cameras() -> Cameras:
    """The cameras of the sheet."""
    return _around(SHEET_AZIMUTHS_DEG, (SHEET_ELEVATION_DEG,), SHEET_SIZE)


def run(task: Task, arm: str, count: int, folder: Path, seed: int) -> Path:
    """The run of an arm from `count` views."""
    method = folder / "reconstruct-views.yaml"
    method.parent.mkdir(parents=True, exist_ok=True)
    method.write_text(METHOD)
    words = [f"data={task.views(count).resolve()}", f"seed={seed}"]
    words += [f"stages.shape.{key}={json.dumps(value)}" for key, value in ARMS[arm].items()]
    return run_method(folder / f"{count}-views" / arm / task.name, str(method), words, MESH)


def measure(task: Task, run_path: Path) -> dict[str, float]:
    """The figures of an exported mesh."""
    mesh = exported_mesh(run_path)
    values = compare_meshes(mesh, task.mesh).values()
    values["chamfer_20000"] = compare_meshes(mesh, task.mesh, COARSE_SAMPLES).chamfer
    values |= health_values(mesh, task.mesh)
    cameras = spiral_cameras(UNSEEN, UNSEEN_SIZE, 0.0)
    truth = world.render(task.object, cameras.c2w.numpy(), FOV_DEG, UNSEEN_SIZE, SUPERSAMPLE).picture
    ours = draw_exported(run_path, cameras).picture
    pairs = zip(ours.alpha > COVERED, truth.alpha > COVERED, strict=True)
    values["silhouette_iou"] = float(np.mean([silhouette_iou(*pair) for pair in pairs]))
    return {name: round(value, 5) for name, value in values.items()} | spent(run_path, ("shape",))


def true_normals(obj: world.NanoObject) -> list[np.ndarray]:
    """The object on the sheet."""
    render = world.render(obj, sheet_cameras().c2w.numpy(), FOV_DEG, SHEET_SIZE, SUPERSAMPLE)
    return list((render.normal + 1) / 2 * render.opacity[..., None] + 1 - render.opacity[..., None])


def summary(rows: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Means over the objects of an arm with intervals, and the worst values."""
    facts: dict[str, Any] = {"objects": len(rows)}
    for name in FIGURES:
        column = [row[name] for row in rows.values()]
        facts[name] = mean_with_interval(column) | {"worst": max(column) if name in LOWER else min(column)}
    return facts


def gains(ours: Mapping[str, Mapping[str, float]], theirs: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Paired differences over the objects that both have; positive where ours is better."""
    both = [name for name in ours if name in theirs]
    signs = {name: -1 if name in LOWER else 1 for name in FIGURES}
    return {
        name: paired_difference(*([sign * rows[task][name] for task in both] for rows in (ours, theirs)))
        for name, sign in signs.items()
    }


def verdicts(table: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, bool]:
    """The bars of the learned start from 4 views, and whether each is reached; those without runs are left out."""
    learned, classical, six = (table.get(key) for key in ("4 reconstructor", "4 normal-fusion", "6 reconstructor"))
    if not learned:
        return {}
    facts = summary(learned)
    bars = {
        "chamfer at most 0.016": facts["chamfer"]["mean"] <= 0.016,
        "chamfer of 20,000 points at most 0.016": facts["chamfer_20000"]["mean"] <= 0.016,
        "f_score_2 at least 0.92": facts["f_score_2"]["mean"] >= 0.92,
        "normal_consistency at least 0.89": facts["normal_consistency"]["mean"] >= 0.89,
        "silhouette_iou at least 0.94": facts["silhouette_iou"]["mean"] >= 0.94,
        "roughness at most 1.5 in every object": facts["roughness"]["worst"] <= 1.5,
        "20 CPU seconds at most": facts["cpu_seconds"]["mean"] <= 20,
        "always watertight and one piece": facts["watertight"]["worst"] == 1 and facts["components"]["worst"] == 1,
    }
    if classical:
        bars["better than the classical start"] = gains(learned, classical)["chamfer"]["interval_95"][0] > 0
    if six:
        bars["not worse with 6 views"] = gains(six, learned)["chamfer"]["interval_95"][1] >= 0
    return bars


def main(
    objects: Annotated[int, typer.Option(help="how many objects")] = OBJECTS,
    arms: Annotated[str, typer.Option(help="arms, separated by commas")] = ",".join(ARMS),
    views: Annotated[str, typer.Option(help="numbers of views, separated by commas")] = "4,6",
    seed: Annotated[int, typer.Option(help="of every run")] = 0,
    runs: Annotated[Path, typer.Option(help="folder for pictures and runs")] = Path("outputs/reconstruct"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Run what is not there yet, measure, write the table and the sheet."""
    columns = [(int(count), arm) for count in views.split(",") for arm in arms.split(",")]
    if unknown := {arm for _, arm in columns} - set(ARMS) or {count for count, _ in columns} - set(RIGS):
        raise typer.BadParameter(f"there is no {unknown}; arms: {', '.join(ARMS)}; views: {', '.join(map(str, RIGS))}")
    table: dict[str, dict[str, dict[str, float]]] = {f"{count} {arm}": {} for count, arm in columns}
    failed: list[str] = []
    sheet: dict[str, list[np.ndarray | None]] = {}
    for task in tasks(runs / "truth")[:objects]:
        sheet[task.name] = [*true_normals(task.object)]
        for count, arm in columns:
            key = f"{count} {arm}"
            try:
                run_path = run(task, arm, count, runs, seed)
            except subprocess.CalledProcessError:
                failed.append(f"{task.name}, {key}")
                sheet[task.name] += [None] * len(SHEET_AZIMUTHS_DEG)
                continue
            table[key][task.name] = measure(task, run_path)
            print(f"{task.name}, {key}: {table[key][task.name]}", flush=True)
            sheet[task.name] += normal_pictures(draw_exported(run_path, sheet_cameras()))
    report = {
        "machine": machine(), "revision": revision(), "seed": seed, "protocol": PROTOCOL, "samples": SAMPLES,
        "size": SIZE, "failed": failed, "bars": verdicts(table),
        "summary": {key: summary(rows) for key, rows in table.items() if rows},
        "gains": {
            f"{one} over {other}": gains(table[one], table[other])
            for other, one in combinations(table, 2) if table[one] and table[other]
        },
        "results": table,
    }  # fmt: skip
    results.mkdir(parents=True, exist_ok=True)
    titles = ["truth", *(f"{count} views, {arm}" for count, arm in columns)]
    labels = [f"{title}, {azimuth:.0f}°" for title in titles for azimuth in SHEET_AZIMUTHS_DEG]
    imwrite(results / "reconstruct.png", to_bytes(contact_sheet(list(sheet.values()), list(sheet), labels)))
    (results / "reconstruct.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({key: report[key] for key in ("bars", "failed", "summary")}, indent=1))
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)

"""One picture to 3D on nano objects whose other sides are known: instant-image, one2345, zero123, and magic123.

    python benchmarks/image_to_3d.py                          # 16 objects, five ways; 80 runs
    python benchmarks/image_to_3d.py --objects 2 --way zero123 --way "magic123, 2D prior only" --name image-to-3d-priors

Objects are the second of their category in the test split, as constants were chosen on the first ones. Each is seen
once, lit as the priors know it, and measured on 16 views from all around, by the distance to its true surface
(docs/metrics.md), and by nano-clip's similarity of 8 views to its caption and to the picture. A run that is there
already is not repeated. Figures go to benchmarks/results/NAME.json, pictures beside them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from imageio.v3 import imwrite
from measured_runs import measured, run_once
from nano_truth import held_out_objects, mesh_from

from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.data.formats import PosedImages, save_posed_images
from maquette.data.posed_images import SURFACE_FILE
from maquette.images.pixels import to_bytes
from maquette.images.reading import read_picture
from maquette.images.sheets import contact_sheet
from maquette.metrics.base import Case
from maquette.metrics.clip_similarity import ClipSimilarity
from maquette.metrics.geometry import PROTOCOL
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, revision
from maquette.training.run_folder import RunFolder
from maquette_nano import world
from maquette_nano.posed import spiral_cameras
from maquette_nano.renders import DISTANCE, FOV_DEG

WAYS = {
    "instant-image": ["instant-image"],
    "one2345": ["one2345"],
    "one2345, without refinement": [
        "one2345", "stages.object.steps=1", "stages.object.learning_rates.geometry=0",
        "stages.object.learning_rates.network=0",
    ],
    "zero123": ["zero123"],
    "magic123, 2D prior only": ["magic123", "stages.coarse.guidance.3d.weight=0", "stages.fine.guidance.3d.weight=0"],
    "magic123, 3D prior only": ["magic123", "variables.lambda_2d_3d=0"],
    "magic123": ["magic123"],
}  # fmt: skip
"""Way -> its method and further words of the command line."""

DEFAULT_WAYS = ("instant-image", "one2345", "one2345, without refinement", "zero123", "magic123")
STAGES = {"instant-image": ("views",), "one2345": ("views",), "zero123": ("nerf",), "magic123": ("coarse", "fine")}
"""Method -> its stages that read the picture."""

SAMPLED = ("instant-image", "one2345")  # ways that sample views and distil nothing; each has the bars
COMPARED = (
    "psnr", "ssim", "silhouette_iou", "chamfer", "f_score_1", "f_score_2", "normal_consistency", "clip_text",
    "clip_image", "seconds", "cpu_seconds",
)  # fmt: skip
ENCODER = "nano-clip"  # of the similarities
OBJECTS, TEST_VIEWS, SIZE, SUPERSAMPLE = 16, 16, 64, 4
AZIMUTH_DEG, ELEVATION_DEG = 30.0, 15.0  # of the picture, from the front of the object; runs have it at azimuth 0
SHEET_AZIMUTHS_DEG = (90, 180, 270)  # from the picture on
BAR_FRACTION = 1 / 3  # of the seconds of zero123


Rows = Mapping[str, Mapping[str, float]]
"""Name of an object -> its figures."""


@dataclass(frozen=True)
class Task:
    """An object, its reference image, and the folder of its held-out views."""

    name: str
    caption: str
    picture: Path
    truth: Path


def tasks(folder: Path) -> Iterator[Task]:
    """The second object of each category in the test split, pictures and truth written to `folder`."""
    for obj in held_out_objects(1, skip=1):
        object_folder = folder / obj.category
        own, relative = (
            Cameras.cat([orbit(azimuth), spiral_cameras(TEST_VIEWS, SIZE, azimuth)]) for azimuth in (AZIMUTH_DEG, 0.0)
        )
        picture = world.render(obj, own.c2w.numpy(), FOV_DEG, SIZE, SUPERSAMPLE).picture
        names = ("picture", *(f"test-{i:02}" for i in range(TEST_VIEWS)))
        save_posed_images(
            object_folder / "truth", PosedImages(picture, relative, ("train", *("test",) * TEST_VIEWS), names)
        )
        mesh_from(obj, AZIMUTH_DEG).to_trimesh().export(object_folder / "truth" / SURFACE_FILE)
        imwrite(object_folder / "picture.png", to_bytes(picture.rgba[0].numpy()))
        yield Task(obj.category, obj.caption(), object_folder / "picture.png", object_folder / "truth")


def orbit(*azimuths_deg: float) -> Cameras:
    """Cameras at the elevation of the picture."""
    azimuth_deg = torch.tensor(azimuths_deg).float()
    one = torch.ones_like(azimuth_deg)
    return orbit_cameras(azimuth_deg, ELEVATION_DEG * one, DISTANCE * one, FOV_DEG * one, SIZE)


def run(task: Task, way: str, folder: Path, seed: int) -> Path:
    """The run's folder."""
    method, *words = WAYS[way]
    stages = STAGES[method]
    words += [f"image={task.picture}", f"seed={seed}"]
    words += [
        f"stages.{stage}.data.{key}={value}" for stage in stages for key, value in
        {"fill": 0, "elevation_deg": ELEVATION_DEG}.items()
    ]  # fmt: skip
    words += [f"stages.{stage}.loop.preview_every=0" for stage in stages if stage != "views"]
    words += [f"prompt={task.caption}"] if method == "magic123" else []
    return run_once(folder, method, {"type": "posed-images", "path": str(task.truth)}, words)


def scene_views(run_path: Path) -> list[np.ndarray]:
    """Renderings of the finished scene at the azimuths of the sheet, over white."""
    views = finished_scene(RunFolder(run_path)).render_cameras(orbit(*SHEET_AZIMUTHS_DEG), normals=False)
    return list(views.picture.over(1.0).numpy())


def figures(task: Task, run_path: Path, similarity: ClipSimilarity) -> dict[str, float]:
    """The figures of a finished run."""
    case = Case(task.caption, image=str(task.picture))
    values = similarity(finished_scene(RunFolder(run_path)), case).values
    return measured(run_path) | {f"clip_{name}": round(value, 4) for name, value in values.items()}


def summary(rows: Rows) -> dict[str, Any]:
    """Means over the objects, with intervals; a scene without a surface has no distances and is left out there."""
    names = dict.fromkeys(name for row in rows.values() for name in row)
    columns = {name: [row[name] for row in rows.values() if name in row] for name in names}
    return {name: mean_with_interval(column) | {"objects": len(column)} for name, column in columns.items()}


def differences(ours: Rows, theirs: Rows) -> dict[str, Any]:
    """Paired differences over the objects that have a figure in both."""
    facts = {}
    for name in COMPARED:
        both = [task for task in ours if name in ours[task] and name in theirs[task]]
        if both:
            facts[name] = paired_difference([ours[task][name] for task in both], [theirs[task][name] for task in both])
    return facts


def verdicts(table: Mapping[str, Rows]) -> dict[str, bool]:
    """The bars of the ways that sample, beside zero123 if it was run."""
    if "zero123" not in table:
        return {}
    bars, theirs = {}, np.mean([row["seconds"] for row in table["zero123"].values()])
    for name in SAMPLED:
        if name in table:
            facts = differences(table[name], table["zero123"])
            seconds = np.mean([row["seconds"] for row in table[name].values()])
            bars[f"{name}: f_score_2 not significantly below zero123's"] = facts["f_score_2"]["interval_95"][1] >= 0
            bars[f"{name}: a third of zero123's seconds at most"] = bool(seconds <= BAR_FRACTION * theirs)
    return bars


def main(
    objects: Annotated[int, typer.Option(help="how many objects")] = OBJECTS,
    way: Annotated[list[str] | None, typer.Option(help=f"{'; '.join(WAYS)}; by default {DEFAULT_WAYS}")] = None,
    seed: Annotated[int, typer.Option(help="of every run")] = 0,
    name: Annotated[str, typer.Option(help="of the files of figures and pictures")] = "image-to-3d",
    runs: Annotated[Path, typer.Option(help="folder for pictures and runs")] = Path("outputs/image-to-3d"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Run what is not there yet, measure, write the table and the sheet."""
    ways, similarity = way or list(DEFAULT_WAYS), ClipSimilarity(ClipSimilarity.Config(ENCODER))
    table: dict[str, dict[str, dict[str, float]]] = {each: {} for each in ways}
    sheet: dict[str, list[np.ndarray | None]] = {}
    for task in islice(tasks(runs / "truth"), objects):
        row: list[np.ndarray | None] = list(read_picture(task.picture).over(1.0).numpy())
        for each in ways:
            run_path = run(task, each, runs / each.replace(", ", "-").replace(" ", "-") / task.name, seed)
            table[each][task.name] = figures(task, run_path, similarity)
            print(f"{task.name}, {each}: {table[each][task.name]}", flush=True)
            row += scene_views(run_path)
        sheet[task.name] = row
    results.mkdir(parents=True, exist_ok=True)
    columns = ["picture", *(f"{each}, {azimuth} on" for each in ways for azimuth in SHEET_AZIMUTHS_DEG)]
    imwrite(results / f"{name}.png", to_bytes(contact_sheet(list(sheet.values()), list(sheet), columns)))
    report = {
        "machine": machine(), "revision": revision(), "seed": seed, "views": TEST_VIEWS, "size": SIZE,
        "protocol": PROTOCOL, "summary": {each: summary(rows) for each, rows in table.items()},
        "differences": {
            f"{ours} minus {theirs}": differences(table[ours], table[theirs])
            for ours in SAMPLED if ours in ways for theirs in ways if theirs != ours
        },
        "bars": verdicts(table), "results": table,
    }  # fmt: skip
    (results / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({key: report[key] for key in ("summary", "differences", "bars")}, indent=1))


if __name__ == "__main__":
    typer.run(main)

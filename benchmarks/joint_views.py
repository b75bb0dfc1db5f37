"""Six views of a picture, sampled one by one by nano-zero123, or together by a model of joint views: which agree more?

    maquette train nano-zero123-six
    python benchmarks/joint_views.py --weights RUN/export/nano-zero123-six   # 64 objects, one2345 on 16 of them
    python benchmarks/joint_views.py --weights RUN/export/nano-zero123-six --objects 2 --runs 1

Objects, pictures and cameras are those of benchmarks/one2345.py, and the noise of both ways is the same. Measured are:

- the views beside the true ones: PSNR, and the intersection over union of silhouettes;
- whether they are of one object: the visual hull of all silhouettes is projected back into the views, and compared with
  each view's own silhouette; and the mesh that one2345 makes and fits to them is drawn from their cameras;
- the volume that stage one of one2345 makes of them, beside the true one.

Figures go to benchmarks/results/joint-views.json, pictures beside them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from imageio.v3 import imwrite
from jaxtyping import Float
from one2345 import Case, Maker, as_grid, case, hull, makers, run_on_picture, volume_figures
from torch import Tensor

from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.cameras.base import Cameras
from maquette.data.formats import inspect_posed_images
from maquette.errors import RunError
from maquette.generators.results import generated_scene
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.learners.novel_view import psnr
from maquette.learners.reconstructor import intersection_over_union
from maquette.priors.zero123.zero123 import Zero123
from maquette.scene import Viewpoint
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, revision
from maquette.training.run_folder import RunFolder
from maquette_nano.renders import DISTANCE, FOV_DEG

SHAPE, SURFACE = "nano-one2345-shape", "nano-one2345-surface"
WAYS = ("one by one", "together")
SOLID = 0.5  # alpha from which a pixel is of the object

Rows = dict[str, dict[str, float]]
"""Object -> its figures."""


def silhouettes_iou(ours: Float[Tensor, "B H W 1"], theirs: Float[Tensor, "B H W 1"]) -> float:
    """Mean intersection over union of the silhouettes in several views."""
    return float(intersection_over_union(ours > SOLID, theirs > SOLID).mean())


def hull_alpha(one: Case, cameras: Cameras) -> Float[Tensor, "B H W 1"]:
    """Silhouettes of the visual hull of all views of a case; empty where the views leave nothing."""
    try:
        scene = generated_scene(as_grid(hull(one.views)), Viewpoint(DISTANCE, FOV_DEG))
    except RunError:
        return torch.zeros(len(cameras), cameras.height, cameras.width, 1)
    return scene.render_cameras(cameras, normals=False).picture.alpha


def view_figures(one: Case, truth: Case, stage_one: Maker) -> dict[str, float]:
    """Figures of the six views of a case, without its picture, and of the volume of stage one."""
    sampled, true = one.views.picture[:-1], truth.views.picture[:-1]
    figures = {
        "psnr": float(psnr(one.images[:-1], truth.images[:-1]).mean()),
        "silhouettes": silhouettes_iou(sampled.alpha, true.alpha),
        "hull_in_views": silhouettes_iou(hull_alpha(one, one.views.cameras[:-1]), sampled.alpha),
    }
    volume = volume_figures(as_grid(stage_one(one)), one)
    return figures | {f"stage_one_{name}": value for name, value in volume.items()}


def run_figures(run: Path) -> dict[str, float]:
    """How well the fitted mesh of a run shows the six views again that it was made from."""
    views = inspect_posed_images(run / "views" / "views").value
    rendered = finished_scene(RunFolder.read(run)).render_cameras(views.cameras[:-1], normals=False).picture
    return {
        "mesh_in_views_psnr": float(psnr(rendered.over(1.0).cpu(), views.picture[:-1].over(1.0)).mean()),
        "mesh_in_views": silhouettes_iou(rendered.alpha.cpu(), views.picture[:-1].alpha),
    }


def summary(table: Mapping[str, Rows]) -> dict[str, Any]:
    """Means with intervals, and paired differences of the second way from the first."""
    first, second = table.values()
    facts: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in first.values() for name in row):
        both = [[rows[key][name] for key in first if name in rows[key]] for rows in (second, first)]
        facts[name] = {way: mean_with_interval(column) for way, column in zip(reversed(WAYS), both, strict=True)}
        facts[name]["difference"] = paired_difference(*both) | {"objects": len(both[0])}
    return facts


def main(
    weights: Annotated[str, typer.Option(help="model that samples the six together: a folder, or a plugin's weights")],
    objects: Annotated[int, typer.Option(help="objects whose views are sampled")] = 64,
    runs: Annotated[int, typer.Option(help="of these, objects that one2345 is run on, for the sheet as well")] = 16,
    folder: Annotated[Path, typer.Option(help="folder for runs")] = Path("outputs/joint-views"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Sample, run what is not there yet, measure, and write the table and the sheet."""
    priors = dict(zip(WAYS, (("nano-zero123", 1), (weights, 6)), strict=True))
    built = {way: Zero123(Zero123.Config(path=path, views=views)) for way, (path, views) in priors.items()}
    stage_one = makers(SHAPE, "")["stage one"]
    table: dict[str, Rows] = {way: {} for way in WAYS}
    sheet: dict[str, list[np.ndarray]] = {}
    for number in range(objects):
        truth = case(number, None)
        for way, (path, views) in priors.items():
            one = case(number, built[way])
            figures = view_figures(one, truth, stage_one)
            if number < runs:
                words = [f"stages.views.prior={{type: zero123, path: {path}, views: {views}}}"]
                run = run_on_picture(truth, SHAPE, SURFACE, folder / way.replace(" ", "-") / truth.name, words)
                figures |= run_figures(run)
                sheet[f"{truth.name}, {way}"] = list(one.images[[-1, *range(6)]].numpy())
            table[way][truth.name] = {name: round(value, 4) for name, value in figures.items()}
        if number < runs:
            sheet[f"{truth.name}, true"] = list(truth.images[[-1, *range(6)]].numpy())
        print(truth.name, {way: table[way][truth.name] for way in WAYS}, flush=True)
    results.mkdir(parents=True, exist_ok=True)
    imwrite(results / "joint-views.png", to_bytes(contact_sheet(list(sheet.values()), list(sheet))))
    report = {
        "machine": machine(), "revision": revision(), "objects": objects, "runs": runs, "summary": summary(table),
        "results": table,
    }  # fmt: skip
    (results / "joint-views.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["summary"], indent=1))


if __name__ == "__main__":
    with torch.no_grad():
        typer.run(main)

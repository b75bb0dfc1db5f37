"""Photographs to 3D with a method's defaults, measured on the view of the photograph and rendered from four sides.

    python benchmarks/photographs.py photographs/*_rgba.png
    python benchmarks/photographs.py teddy_bear_rgba.png --method magic123 --prompt "a brown robot"

Pictures have a transparent background. A run that is there already is not repeated. Figures compare the finished scene
with the picture from where it was taken, at 64 pixels over white, and go to benchmarks/results/photographs-METHOD.json;
beside them a sheet shows the picture and four sides.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from imageio.v3 import imwrite
from measured_runs import measured, run_once

from maquette.bench.statistics import mean_with_interval
from maquette.cameras.base import orbit_cameras
from maquette.data.image import ImageData
from maquette.images.pixels import to_bytes
from maquette.images.resampling import downsample
from maquette.images.sheets import contact_sheet
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, revision
from maquette.training.run_folder import RunFolder
from maquette_nano.renders import DISTANCE, FOV_DEG

ELEVATION_DEG, SIZE, SHEET_SIZE = 15.0, 64, 128  # as the methods have it on a laptop; pixels
SIDES = ("front", "left", "back", "right")
BARS = {"psnr": 20.0}


def views(run: Path) -> list[np.ndarray]:
    """The finished scene from four sides, over white."""
    one = torch.ones(len(SIDES))
    cameras = orbit_cameras(90.0 * torch.arange(4), ELEVATION_DEG * one, DISTANCE * one, FOV_DEG * one, SHEET_SIZE)
    return list(finished_scene(RunFolder(run)).render_cameras(cameras, normals=False).picture.over(1.0).numpy())


def photograph(data: ImageData.Config) -> np.ndarray:
    """The photograph as preprocessed by a method, over white."""
    image_data = ImageData(data)
    image_data.prepare(torch.device("cpu"))
    return downsample(image_data.references()[0].picture.over(1.0), SHEET_SIZE)[0].numpy()


def main(
    pictures: Annotated[list[Path], typer.Argument(help="pictures with a transparent background")],
    method: Annotated[str, typer.Option(help="which method")] = "zero123",
    prompt: Annotated[list[str] | None, typer.Option(help="what is in each picture, where a method asks")] = None,
    seed: Annotated[int, typer.Option(help="of every run")] = 0,
    runs: Annotated[Path, typer.Option(help="folder of the runs")] = Path("outputs/photographs"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Run what is not there yet, measure, write the table and the sheet."""
    if prompt is not None and len(prompt) != len(pictures):
        raise typer.BadParameter(f"{len(prompt)} prompts for {len(pictures)} pictures", param_hint="--prompt")
    table: dict[str, dict[str, float]] = {}
    rows: list[list[np.ndarray | None]] = []
    for picture, text in zip(pictures, prompt or [""] * len(pictures), strict=True):
        data = ImageData.Config(
            str(picture), ELEVATION_DEG, distance=DISTANCE, fov_y_deg=FOV_DEG, size=SIZE, depth="", normal=""
        )
        camera_settings = {
            key: getattr(data, key) for key in ("path", "elevation_deg", "distance", "fov_y_deg", "size")
        }
        words = [f"image={picture}", f"seed={seed}", *([f"prompt={text}"] if text else [])]
        run = run_once(runs / method / picture.stem, method, {"type": "image", **camera_settings}, words)
        name = picture.stem.removesuffix("_rgba").replace("_", " ")
        table[name] = measured(run)
        print(f"{name}: {table[name]}", flush=True)
        rows.append([photograph(data), *views(run)])
    results.mkdir(parents=True, exist_ok=True)
    imwrite(results / f"photographs-{method}.png", to_bytes(contact_sheet(rows, list(table), ["photograph", *SIDES])))
    report = {
        "machine": machine(), "revision": revision(), "method": method, "seed": seed, "size": SIZE,
        "prompts": dict(zip(table, prompt, strict=True)) if prompt else {},
        "bars": BARS, "results": table,
        "summary": {
            name: mean_with_interval([row[name] for row in table.values()]) for name in next(iter(table.values()))
        },
    }  # fmt: skip
    (results / f"photographs-{method}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)

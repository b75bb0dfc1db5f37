"""Quality of novel views by nano-zero123 on held-out objects, against the reference image as the baseline.

    python benchmarks/nano_zero123.py                         # 64 objects, four views each
    python benchmarks/nano_zero123.py --objects 8 --steps 8 --scale 1

Objects are of the test split: pairs of category and body colour held out of training. Each has one reference over
white (elevations from -10 to 60 degrees), and one sampled view in each quarter of the circle of azimuths. Figures
and pictures go to benchmarks/results/nano-zero123.*
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from imageio.v3 import imwrite
from nano_truth import pictures

from maquette.bench.suites import Bar
from maquette.bench.tables import summarise
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.cameras.directions import wrap_deg
from maquette.data.base import Reference
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.learners.novel_view import mean_by_azimuth_change, psnr
from maquette.priors.base import Request
from maquette.priors.zero123.zero123 import Zero123
from maquette.randomness import Draws
from maquette.scores.cfg import CFG
from maquette.scores.sampling import sample_views
from maquette.training.manifest import machine, revision
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG

TARGET_VIEWS, SIZE = 4, 64
THRESHOLD = 1.0  # pixels
BARS = {"psnr": Bar(at_least=20.0), "gain over the input": Bar(at_least=6.0)}
SHEET_OBJECTS = 10  # objects on the sample sheet


def cameras(index: int) -> Cameras:
    """Cameras of object `index`: the reference, then the targets."""
    draws = Draws(0, index, "views/")
    elevation = torch.cat(
        [draws.uniform("given", 1, low=-10, high=60), draws.uniform("asked", TARGET_VIEWS, low=-10, high=60)]
    )
    reference_azimuth, quarter = draws.uniform("azimuth", 1, high=360), 360.0 / TARGET_VIEWS
    target_azimuth = (
        reference_azimuth + quarter * torch.arange(TARGET_VIEWS) + draws.uniform("onward", TARGET_VIEWS, high=quarter)
    )
    one = torch.ones(1 + TARGET_VIEWS)
    return orbit_cameras(
        torch.cat([reference_azimuth, target_azimuth]) % 360, elevation, DISTANCE * one, FOV_DEG * one, SIZE
    )


def main(
    objects: Annotated[int, typer.Option(help="how many objects")] = 64,
    steps: Annotated[int, typer.Option(help="of the sampler")] = 16,
    scale: Annotated[float, typer.Option(help="guidance scale; 1: the conditional prediction alone")] = 1.0,
    weights: Annotated[str, typer.Option(help="weights of the prior")] = "nano-zero123",
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Sample, compare, write the table and the sheet."""
    prior = Zero123(Zero123.Config(path=weights))
    score = CFG(CFG.Config(scale=scale, base="unconditional"))
    sampled, baseline, azimuth_changes_deg, rows = [], [], [], []
    for index in range(objects):
        views = cameras(index)
        truth = pictures(world.sample_object(index, "test"), views)
        reference_camera, target_cameras = views[:1], views[1:]
        request = Request("", references=(Reference(Picture.opaque(truth[:1]), reference_camera),))
        samples = sample_views(
            prior, request, target_cameras, score, steps, Draws(0, index), threshold=THRESHOLD
        ).float()
        sampled.append(psnr(samples, truth[1:]))
        baseline.append(psnr(truth[:1].expand_as(samples), truth[1:]))
        azimuth_changes_deg.append(wrap_deg(target_cameras.azimuth_deg - reference_camera.azimuth_deg).abs())
        pairs = [view.numpy() for pair in zip(samples, truth[1:], strict=True) for view in pair]
        rows.append([truth[0].numpy(), *pairs])
        print(
            f"{index + 1}/{objects}: {float(sampled[-1].mean()):.2f} dB, input {float(baseline[-1].mean()):.2f} dB",
            flush=True,
        )
    sampled_psnr, baseline_psnr, azimuth_change_deg = (
        torch.stack(sampled),
        torch.stack(baseline),
        torch.cat(azimuth_changes_deg),
    )
    figures = mean_by_azimuth_change(sampled_psnr.flatten(), azimuth_change_deg, "psnr") | mean_by_azimuth_change(
        baseline_psnr.flatten(), azimuth_change_deg, "psnr of the input"
    )
    rates = [
        {"psnr": float(psnrs.mean()), "gain over the input": float((psnrs - baselines).mean())}
        for psnrs, baselines in zip(sampled_psnr, baseline_psnr, strict=True)
    ]
    report = {
        "machine": machine(), "revision": revision(), "weights": weights, "objects": objects, "views": TARGET_VIEWS,
        "sampler": {"steps": steps, "scale": scale, "threshold": THRESHOLD},
        **{name: round(value, 2) for name, value in figures.items()},
        "over objects": summarise([[row] for row in rates], BARS, dict.fromkeys(BARS, "higher")),
    }  # fmt: skip
    results.mkdir(parents=True, exist_ok=True)
    names = [world.sample_object(i, "test").caption() for i in range(min(objects, SHEET_OBJECTS))]
    columns = ["given", *(name for _ in range(TARGET_VIEWS) for name in ("sampled", "true"))]
    imwrite(results / "nano-zero123.png", to_bytes(contact_sheet(rows[:SHEET_OBJECTS], names, columns)))
    (results / "nano-zero123.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({k: v for k, v in report.items() if k != "machine"}, indent=1))


if __name__ == "__main__":
    typer.run(main)

"""How well nano-zero123 turns objects that no training saw, beside handing back the picture it was given.

    python benchmarks/nano_zero123.py                         # 64 objects, four views each
    python benchmarks/nano_zero123.py --objects 8 --steps 8 --scale 1

Objects are of the test split: pairs of category and body colour held out of training. Each is seen once from where
photographs are taken (elevations from -10 to 60 degrees), over white, and sampled at azimuths all around, one in each
quarter of the circle. Figures and pictures go to benchmarks/results/nano-zero123.*
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import torch
import typer
from imageio.v3 import imwrite
from nano_truth import pictures

from maquette.bench.results import summarise
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

TARGETS, SIZE = 4, 64
THRESHOLD = 1.0  # pixels
BARS = {"psnr": 20.0, "gain over the input": 6.0}
SHOWN = 10  # objects on the sheet


def cameras(index: int) -> Cameras:
    """Where object `index` is seen from: first as given, then as asked for."""
    draws = Draws(0, index, "views/")
    elevation = torch.cat(
        [draws.uniform("given", 1, low=-10, high=60), draws.uniform("asked", TARGETS, low=-10, high=60)]
    )
    given, quarter = draws.uniform("azimuth", 1, high=360), 360.0 / TARGETS
    onward = given + quarter * torch.arange(TARGETS) + draws.uniform("onward", TARGETS, high=quarter)
    one = torch.ones(1 + TARGETS)
    return orbit_cameras(torch.cat([given, onward]) % 360, elevation, DISTANCE * one, FOV_DEG * one, SIZE)


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
    sampled, returned, turns, rows = [], [], [], []
    for index in range(objects):
        seen_from = cameras(index)
        truth = pictures(world.sample_object(index, "test"), seen_from)
        given, asked = seen_from[:1], seen_from[1:]
        request = Request("", references=(Reference(Picture.opaque(truth[:1]), given),))
        made = sample_views(prior, request, asked, score, steps, Draws(0, index), threshold=THRESHOLD).float()
        sampled.append(psnr(made, truth[1:]))
        returned.append(psnr(truth[:1].expand_as(made), truth[1:]))
        turns.append(wrap_deg(asked.azimuth_deg - given.azimuth_deg).abs())
        pairs = [view.numpy() for pair in zip(made, truth[1:], strict=True) for view in pair]
        rows.append([truth[0].numpy(), *pairs])
        print(
            f"{index + 1}/{objects}: {float(sampled[-1].mean()):.2f} dB, input {float(returned[-1].mean()):.2f} dB",
            flush=True,
        )
    ours, theirs, turn = torch.stack(sampled), torch.stack(returned), torch.cat(turns)
    found = mean_by_azimuth_change(ours.flatten(), turn, "psnr") | mean_by_azimuth_change(
        theirs.flatten(), turn, "psnr of the input"
    )
    rates = [
        {"psnr": float(made.mean()), "gain over the input": float((made - given).mean())}
        for made, given in zip(ours, theirs, strict=True)
    ]
    report = {
        "machine": machine(), "revision": revision(), "weights": weights, "objects": objects, "views": TARGETS,
        "sampler": {"steps": steps, "scale": scale, "threshold": THRESHOLD},
        **{name: round(value, 2) for name, value in found.items()},
        "over objects": summarise(rates, BARS),
    }  # fmt: skip
    results.mkdir(parents=True, exist_ok=True)
    names = [world.sample_object(i, "test").caption() for i in range(min(objects, SHOWN))]
    columns = ["given", *(name for _ in range(TARGETS) for name in ("sampled", "true"))]
    imwrite(results / "nano-zero123.png", to_bytes(contact_sheet(rows[:SHOWN], names, columns)))
    (results / "nano-zero123.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({k: v for k, v in report.items() if k != "machine"}, indent=1))


if __name__ == "__main__":
    typer.run(main)

"""Do the four views of nano-mvdream show one object? Its identity by retrieval, its geometry by fitting a volume.

    python benchmarks/nano_mvdream.py                 # 60 prompts; volumes for the first 12
    python benchmarks/nano_mvdream.py --prompts 8 --volumes 2

Identity: an image-text encoder retrieves one of 240 captions from each view; a sample agrees with itself if all four
are the same. Two encoders do so: nano-judge, which was trained on all pairs of colour and category, and nano-clip,
which was trained on as few of them as the prior. True renders are measured too, since encoders make errors.
Geometry: a volume is fitted to the four views alone and compared with them. Figures and pictures go to
benchmarks/results/nano-mvdream.*, and samples that a judge takes for several things to nano-mvdream-disputed.png
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import torch
import typer
from imageio.v3 import imwrite
from jaxtyping import Float
from nano_truth import pictures as true_pictures
from torch import Tensor

from maquette.bench.suites import load_suite
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.data.formats import PosedImages, save_posed_images
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.learners.novel_view import psnr
from maquette.metrics.base import Case
from maquette.metrics.r_precision import RPrecision
from maquette.priors.base import Request
from maquette.priors.mvdream.mvdream import MVDream
from maquette.randomness import Draws
from maquette.scores.cfg import CFG
from maquette.scores.sampling import sample_views
from maquette.stages.finished import finished_scene
from maquette.training.manifest import machine, revision
from maquette.training.run_folder import RunFolder
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG
from maquette_nano.world.categories import CATEGORIES
from maquette_nano.world.colors import COLORS

VIEWS, SIZE, ELEVATION_DEG = 4, 64, 15.0
SAMPLER_STEPS, SCALE, THRESHOLD = 25, 3.0, 1.0  # of the sampler
FIT_STEPS = 300
TRUE_OBJECTS, LIGHT_GREY = 400, 0.85
JUDGES = ("nano-judge", "nano-clip")  # the first holds the prior to the bar
BARS = {"all four alike": 0.9, "psnr": 20.0}


def ring_cameras() -> Cameras:
    """Four cameras at right angles, the first in front."""
    one = torch.ones(VIEWS)
    azimuth_deg = torch.arange(VIEWS) * (360.0 / VIEWS)
    return orbit_cameras(azimuth_deg, ELEVATION_DEG * one, DISTANCE * one, FOV_DEG * one, SIZE)


def agreement(retrieved: list[list[str]], captions: list[str] | None = None) -> dict[str, float]:
    """Fractions of samples with four equal captions and with at least three, and of views with the prompt's caption."""
    most = [max(views.count(name) for name in views) for views in retrieved]
    figures = {
        "all four alike": sum(m == VIEWS for m in most) / len(most),
        "three or more alike": sum(m >= VIEWS - 1 for m in most) / len(most),
    }
    if captions is not None:
        correct = [name == expected for views, expected in zip(retrieved, captions, strict=True) for name in views]
        figures["as asked"] = sum(correct) / len(correct)
    return {name: round(value, 4) for name, value in figures.items()}


def all_agreements(retrieved: list[dict[str, list[str]]], captions: list[str] | None = None) -> dict[str, Any]:
    """The `agreement` of the captions retrieved by each judge."""
    agreements = {name: agreement([views[name] for views in retrieved], captions) for name in JUDGES}
    return {"samples": len(retrieved), **agreements}


def judge(scorer: str) -> RPrecision:
    """The metric of the suite `nano-text`, with another encoder."""
    return RPrecision(replace(load_suite("nano-text").metrics["r-precision"].config, scorer=scorer))


def border_color(pictures: Float[Tensor, "4 H W 3"]) -> list[float]:
    """The colour at the pictures' edges, which is their background."""
    edge = torch.cat([pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]], dim=1)
    return [round(value, 4) for value in edge.flatten(0, 1).median(dim=0).values.tolist()]


def fit_volume(pictures: Float[Tensor, "4 H W 3"]) -> tuple[float, np.ndarray]:
    """PSNR of a volume fitted to four images, on these images, and its renderings of them."""
    names = tuple(f"view-{i}" for i in range(VIEWS))
    background = border_color(pictures)
    with TemporaryDirectory() as name:
        folder = Path(name)
        save_posed_images(
            folder / "views", PosedImages(Picture.opaque(pictures), ring_cameras(), ("train",) * VIEWS, names)
        )
        command = [
            sys.executable, "-m", "maquette", "run", "fit-multiview", f"data={folder / 'views'}", f"output={folder}",
            f"stages.fit.steps={FIT_STEPS}", "~stages.evaluate", "~stages.export", "stages.fit.loop.preview_every=0",
            f"stages.fit.background={json.dumps({'type': 'solid', 'color': background})}",
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        run = next(folder.glob("*/*/*/manifest.json")).parent
        rendered = finished_scene(RunFolder(run)).render_cameras(ring_cameras(), normals=False).picture.over(background)
    return float(psnr(rendered, pictures).mean()), rendered.numpy()


def main(
    prompts: Annotated[int, typer.Option(help="how many prompts: held-out pairs of colour and category")] = 60,
    volumes: Annotated[int, typer.Option(help="to how many samples a volume is fitted")] = 12,
    weights: Annotated[str, typer.Option(help="weights of the prior")] = "nano-mvdream",
    seed: Annotated[int, typer.Option(help="of the noise")] = 0,
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
) -> None:
    """Sample, retrieve, fit, write the table and the sheet."""
    prior = MVDream(MVDream.Config(path=weights))
    judges = {name: judge(name) for name in JUDGES}

    def retrieve(pictures: Float[Tensor, "4 H W 3"]) -> dict[str, list[str]]:
        return {name: one.judge(pictures.numpy(), Case("")).facts["retrieved"] for name, one in judges.items()}

    score = CFG(CFG.Config(scale=SCALE, base="unconditional"))
    captions = held_out()[:prompts]
    retrieved: list[dict[str, list[str]]] = []
    rows: list[list[np.ndarray | None]] = []
    scores: list[float] = []
    for i, prompt in enumerate(captions):
        draws = Draws(seed, i)
        pictures = sample_views(
            prior, Request(prompt), ring_cameras(), score, SAMPLER_STEPS, draws, threshold=THRESHOLD
        ).float()
        retrieved.append(retrieve(pictures))
        row: list[np.ndarray | None] = list(pictures.numpy())
        if i < volumes:
            value, rendered = fit_volume(pictures)
            scores.append(round(value, 2))
            row += list(rendered)
        rows.append(row)
        suffix = f", {scores[-1]} dB" if i < volumes else ""
        print(f"{i + 1}/{len(captions)}  {prompt}: {retrieved[-1][JUDGES[0]]}{suffix}", flush=True)
    objects = [world.sample_object(i, "test") for i in range(TRUE_OBJECTS)]
    truth = [retrieve(true_pictures(obj, ring_cameras(), LIGHT_GREY)) for obj in objects]
    plain = [views for obj, views in zip(objects, truth, strict=True) if not obj.pattern_code]
    report: dict[str, Any] = {
        "machine": machine(), "revision": revision(), "weights": weights, "seed": seed,
        "sampler": {"steps": SAMPLER_STEPS, "scale": SCALE, "threshold": THRESHOLD}, "bars": BARS,
        "identity": all_agreements(retrieved, captions),
        "identity of true objects": all_agreements(truth),
        "identity of true plain objects": all_agreements(plain),
        "geometry": {"volumes": len(scores), "psnr": round(float(np.mean(scores)), 2), "least": min(scores)},
        "retrieved": dict(zip(captions, retrieved, strict=True)), "psnr": scores,
    }  # fmt: skip
    results.mkdir(parents=True, exist_ok=True)
    azimuths = [f"{azimuth:.0f}°" for azimuth in ring_cameras().azimuth_deg.tolist()]
    columns = [*azimuths, *(f"volume, {azimuth}" for azimuth in azimuths)]
    imwrite(results / "nano-mvdream.png", to_bytes(contact_sheet(rows[:volumes], captions[:volumes], columns)))
    disputed = [i for i, views in enumerate(retrieved) if any(len(set(names)) > 1 for names in views.values())]
    if disputed:
        sheet = contact_sheet([rows[i][:VIEWS] for i in disputed], [captions[i] for i in disputed], azimuths)
        imwrite(results / "nano-mvdream-disputed.png", to_bytes(sheet))
    (results / "nano-mvdream.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({key: report[key] for key in report if "identity" in key or key == "geometry"}, indent=1))


def held_out() -> list[str]:
    """Held-out pairs of colour and category as captions: one of each category, then two more of each."""
    spare = [
        [f"{'an' if color[0] in 'aeiou' else 'a'} {color} {category}" for color in COLORS
         if world.split_of(category, color) != "train"]
        for category in CATEGORIES
    ]  # fmt: skip
    return [captions[index] for index in range(3) for captions in spare]


if __name__ == "__main__":
    typer.run(main)

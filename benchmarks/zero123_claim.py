"""The claim of Zero-1-to-3: what a 2D prior knows of categories carries over to views of them that no pair has shown.

    python benchmarks/zero123_claim.py --steps 240 --seeds 1      # 31 minutes of one core
    python benchmarks/zero123_claim.py                            # 1,200 steps, three seeds: eight hours of one core

Three arms are trained alike on pairs of the nano world without four categories: from nano-text, which has seen pictures
of these categories, from scratch, and from nano-text with its weights shuffled within each tensor. The image encoder of
all is nano-clip, taught by pictures and captions alone. Measured are views of objects of the four categories, and of
the others, whose pairs of category and colour no arm has seen. Trainings are kept in --folder: a stopped one goes on, a
finished one is used again. Figures and a sheet go to benchmarks/results/zero123-claim.*
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
import yaml
from imageio.v3 import imwrite
from measured_runs import spent, train_once
from nano_truth import pictures
from nano_zero123 import TARGET_VIEWS, cameras

from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.data.base import Reference
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.learners.novel_view import psnr
from maquette.priors.base import Request
from maquette.priors.zero123.zero123 import Zero123
from maquette.randomness import Draws
from maquette.scores.plain import Plain
from maquette.scores.sampling import sample_views
from maquette.training.manifest import machine, revision
from maquette.weights.loading import halved, quiet, weights_source
from maquette_nano import world

RECIPE = Path(__file__).with_name("zero123-claim.yaml")
PRIOR = "nano-text"
ARMS = ("nano-text", "scratch", "shuffled")
RESULT = "views.json"  # what a finished training exports last
SHEET_OBJECTS = 8  # held-out objects on the sheet, two of each category


def held_out_categories() -> tuple[str, ...]:
    """The categories that the recipe leaves out of its pairs."""
    return tuple(yaml.safe_load(RECIPE.read_text())["stages"]["views"]["dataset"]["without"])


def initial_prior(arm: str, seed: int, folder: Path) -> str:
    """The weights that an arm starts from: their name, or a folder that is made here.

    Args:
        arm: one of ARMS.
        seed: of the random weights, or of the shuffling.
        folder: for the priors of all arms.
    """
    if arm == PRIOR:
        return PRIOR
    place = folder / f"{arm}-{seed}"
    if not (place / "model_index.json").is_file():
        from diffusers import DDPMScheduler, UNet2DConditionModel

        source = weights_source(PRIOR)
        with quiet(source):
            unet: Any = UNet2DConditionModel.from_pretrained(
                source, subfolder="unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
            )
            torch.manual_seed(seed)
            if arm == "scratch":
                unet = UNet2DConditionModel.from_config(unet.config)
            else:
                unet.load_state_dict({name: shuffled(value) for name, value in unet.state_dict().items()})
            halved(unet).save_pretrained(place / "unet")
            DDPMScheduler.from_pretrained(source, subfolder="scheduler").save_pretrained(place / "scheduler")
        index = json.loads((Path(source) / "model_index.json").read_text())
        parts = {"_class_name": index["_class_name"], "unet": index["unet"], "scheduler": index["scheduler"]}
        (place / "model_index.json").write_text(json.dumps(parts))
    return str(place)


def shuffled(values: torch.Tensor) -> torch.Tensor:
    """The numbers of a tensor in random order."""
    return values.flatten()[torch.randperm(values.numel())].reshape(values.shape)


def trained(arm: str, seed: int, steps: int, folder: Path, words: Iterable[str]) -> Path:
    """The finished training of an arm; begun, or gone on with, if there is none."""
    prior = initial_prior(arm, seed, folder / "priors")
    words = [f"prior={prior}", f"seed={seed}", f"stages.views.steps={steps}", *words]
    return train_once(folder / f"{arm}-{seed}-{steps}", str(RECIPE), words, RESULT)


def objects(categories: Iterable[str], each: int) -> list[int]:
    """Numbers of test objects: the first `each` of every category."""
    numbers = []
    for category in categories:
        ours = (number for number in count() if world.sample_attributes(number, "test")[0] == category)
        numbers += islice(ours, each)
    return numbers


def views_of(weights: Path, numbers: Iterable[int], steps: int, seed: int) -> tuple[list[float], list[list[Any]]]:
    """PSNR of each object's sampled views in dB, and rows of a sheet: sampled views of each object."""
    prior = Zero123(Zero123.Config(path=str(weights), dtype="float32"))
    scores, rows = [], []
    for number in numbers:
        views = cameras(number)
        truth = pictures(world.sample_object(number, "test"), views)
        request = Request("", references=(Reference(Picture.opaque(truth[:1]), views[:1]),))
        draws = Draws(seed, number)
        samples = sample_views(prior, request, views[1:], Plain(Plain.Config()), steps, draws, threshold=1.0)
        scores.append(float(psnr(samples.float(), truth[1:]).mean()))
        rows.append([view.numpy() for view in samples.float()])
    return scores, rows


def true_views(numbers: Iterable[int]) -> tuple[list[float], list[list[Any]]]:
    """PSNR of the reference itself as each object's views, and rows of a sheet: the reference, then true views."""
    scores, rows = [], []
    for number in numbers:
        truth = pictures(world.sample_object(number, "test"), cameras(number))
        scores.append(float(psnr(truth[:1].expand_as(truth[1:]), truth[1:]).mean()))
        rows.append([view.numpy() for view in truth])
    return scores, rows


def compared(by_seed: dict[str, list[list[float]]], reference: list[float]) -> dict[str, Any]:
    """Mean PSNR of each arm over objects, seeds averaged first, and differences of the first arm and the others."""
    arms = {arm: [sum(column) / len(column) for column in zip(*rows, strict=True)] for arm, rows in by_seed.items()}
    first, *others = arms
    return {
        "objects": len(reference),
        "psnr of the input": mean_with_interval(reference),
        "psnr": {arm: mean_with_interval(values) for arm, values in arms.items()},
        "differences": {f"{first} - {arm}": paired_difference(arms[first], arms[arm]) for arm in others},
        "gain over the input": {arm: paired_difference(values, reference) for arm, values in arms.items()},
    }


def sheet(numbers: list[int], truth: list[list[Any]], rows: dict[str, list[list[Any]]]) -> Any:
    """A row per object and source of views: the input and the true views, then the views of each arm."""
    pictures_of, labels = [], []
    for place, number in enumerate(numbers):
        pictures_of.append(truth[place])
        labels.append(world.sample_object(number, "test").caption())
        for arm, views in rows.items():
            pictures_of.append([None, *views[place]])
            labels.append(arm)
    return contact_sheet(pictures_of, labels, ["input", *[f"view {view + 1}" for view in range(TARGET_VIEWS)]])


def main(
    steps: Annotated[int, typer.Option(help="of each training")] = 1200,
    seeds: Annotated[int, typer.Option(help="trainings of each arm")] = 3,
    each: Annotated[int, typer.Option(help="measured objects of each held-out category")] = 16,
    others_each: Annotated[int, typer.Option(help="measured objects of each of four other categories")] = 8,
    sampler_steps: Annotated[int, typer.Option(help="of the sampler")] = 16,
    folder: Annotated[Path, typer.Option(help="folder of the trainings")] = Path("outputs/zero123-claim"),
    results: Annotated[Path, typer.Option(help="folder for the figures")] = Path("benchmarks/results"),
    only_train: Annotated[bool, typer.Option("--only-train", help="measure nothing")] = False,
    words: Annotated[list[str] | None, typer.Argument(help="key=value words of the recipe")] = None,
) -> None:
    """Train, measure, write the table and the sheet."""
    runs = {(arm, seed): trained(arm, seed, steps, folder, words or []) for seed in range(seeds) for arm in ARMS}
    if only_train:
        return
    held_out = held_out_categories()
    others = [name for name in ("mug", "house", "plane", "duck") if name not in held_out]
    report: dict[str, Any] = {
        "machine": machine(), "revision": revision(), "steps": steps, "pairs per step": 32, "seeds": seeds,
        "words": words or [],
        "asked for": {"steps": 1200, "seeds": 3}, "held-out categories": held_out,
        "sampler": {"steps": sampler_steps, "views": TARGET_VIEWS},
        "cpu seconds": {f"{arm}, seed {seed}": spent(run)["cpu_seconds"] for (arm, seed), run in runs.items()},
    }  # fmt: skip
    for title, categories, number in (
        ("held-out categories", held_out, each),
        ("other categories", others, others_each),
    ):
        numbers = objects(categories, number)
        reference, truth = true_views(numbers)
        scores: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
        rows: dict[str, list[list[Any]]] = {}
        for (arm, seed), run in runs.items():
            values, rows_of_run = views_of(run / "export" / "views", numbers, sampler_steps, seed)
            scores[arm].append(values)
            rows.setdefault(arm, rows_of_run)
            print(f"{title}, {arm}, seed {seed}: {sum(values) / len(values):.2f} dB", flush=True)
        report[f"on {title}"] = compared(scores, reference)
        if categories is held_out:
            chosen = list(range(0, len(numbers), max(1, len(numbers) // SHEET_OBJECTS)))[:SHEET_OBJECTS]
            rows_shown = {arm: [rows[arm][place] for place in chosen] for arm in ARMS}
            picture = sheet([numbers[place] for place in chosen], [truth[place] for place in chosen], rows_shown)
            results.mkdir(parents=True, exist_ok=True)
            imwrite(results / "zero123-claim.png", to_bytes(picture))
    (results / "zero123-claim.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({name: value for name, value in report.items() if name != "machine"}, indent=1))


if __name__ == "__main__":
    typer.run(main)

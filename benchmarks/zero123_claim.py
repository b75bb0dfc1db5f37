"""The claim of Zero-1-to-3: what a 2D prior knows of categories carries over to views of them that no pair has shown.

    python benchmarks/zero123_claim.py --steps 240 --seeds 1      # 31 minutes of one core
    python benchmarks/zero123_claim.py                            # 1,200 steps, three seeds: eight hours of one core

Three arms are trained alike on pairs of the nano world without four categories: from nano-text, which has seen pictures
of these categories, from scratch, and from nano-text with its weights shuffled within each tensor. The image encoder of
all is nano-clip, taught by pictures and captions alone. Measured are views of objects of the four categories, and of
the others, whose pairs of category and colour no arm has seen: PSNR, and the cosine between nano-judge's embeddings of
a sampled and of the true view; no arm and no method uses this encoder. Trainings are kept in --folder: a stopped one
goes on, a finished one is used again. Figures and a sheet go to benchmarks/results/zero123-claim.*
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
from safetensors.torch import load_file, save_file
from torch import Tensor

from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.data.base import Reference
from maquette.files import atomic_path
from maquette.images.picture import Picture
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.learners.novel_view import psnr
from maquette.perception.clip import Clip
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
JUDGE = "nano-judge"
FIGURES = ("psnr", "similarity")  # higher is better
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
    numbers: list[int] = []
    for category in categories:
        ours = (number for number in count() if world.sample_attributes(number, "test")[0] == category)
        numbers += islice(ours, each)
    return numbers


def figures(views: Tensor, truth: Tensor, judge: Clip) -> dict[str, float]:
    """PSNR in dB, and similarity of embeddings, of an object's views [B S S 3]; means over the views."""
    likeness = (judge.images(views) * judge.images(truth)).sum(-1)
    return {"psnr": float(psnr(views, truth).mean()), "similarity": float(likeness.mean())}


def views_of(run: Path, numbers: Iterable[int], steps: int, seed: int) -> dict[int, Tensor]:
    """Views [B S S 3] that a training samples of objects by number, in 8 bits; kept beside it and not sampled again."""
    stored = run / f"sampled-{steps}-{seed}.safetensors"
    views = load_file(stored) if stored.is_file() else {}
    missing = [number for number in numbers if str(number) not in views]
    if missing:
        prior = Zero123(Zero123.Config(path=str(run / "export" / "views"), dtype="float32"))
        for number in missing:
            views[str(number)] = sampled(prior, number, steps, seed)
        with atomic_path(stored) as path:
            save_file(views, path)
    return {number: views[str(number)] / 255 for number in numbers}


def sampled(prior: Zero123, number: int, steps: int, seed: int) -> Tensor:
    """Views of an object from its first one, [B S S 3] in bytes."""
    views = cameras(number)
    truth = pictures(world.sample_object(number, "test"), views[:1])
    request = Request("", references=(Reference(Picture.opaque(truth), views[:1]),))
    draws = Draws(seed, number)
    samples = sample_views(prior, request, views[1:], Plain(Plain.Config()), steps, draws, threshold=1.0)
    return torch.from_numpy(to_bytes(samples.float().numpy()))


def true_views(numbers: Iterable[int]) -> dict[int, Tensor]:
    """The input and the true views of objects by number, [1 + B S S 3]."""
    return {number: pictures(world.sample_object(number, "test"), cameras(number)) for number in numbers}


def compared(by_seed: dict[str, list[list[float]]], reference: list[float]) -> dict[str, Any]:
    """One figure of each arm over objects, seeds averaged first, and differences of the first arm and the others."""
    arms = {arm: [sum(column) / len(column) for column in zip(*rows, strict=True)] for arm, rows in by_seed.items()}
    first, *others = arms
    return {
        "the input": mean_with_interval(reference),
        "arms": {arm: mean_with_interval(values) for arm, values in arms.items()},
        "of each seed": {arm: [mean_with_interval(row)["mean"] for row in rows] for arm, rows in by_seed.items()},
        "differences": {f"{first} - {arm}": paired_difference(arms[first], arms[arm]) for arm in others},
        "gain over the input": {arm: paired_difference(values, reference) for arm, values in arms.items()},
    }


def sheet(numbers: list[int], truth: dict[int, Tensor], views: dict[str, dict[int, Tensor]]) -> Any:
    """A row per object and source of views: the input and the true views, then the views of each arm."""
    rows, labels = [], []
    for number in numbers:
        rows.append([*truth[number].numpy()])
        labels.append(world.sample_object(number, "test").caption())
        for arm, of_arm in views.items():
            rows.append([None, *of_arm[number].numpy()])
            labels.append(arm)
    return contact_sheet(rows, labels, ["input", *[f"view {view + 1}" for view in range(TARGET_VIEWS)]])


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
    judge = Clip(JUDGE)
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
        truth = true_views(numbers)
        reference = [figures(truth[n][:1].expand_as(truth[n][1:]), truth[n][1:], judge) for n in numbers]
        scores: dict[str, list[list[dict[str, float]]]] = {arm: [] for arm in ARMS}
        on_sheet: dict[str, dict[int, Tensor]] = {}
        for (arm, seed), run in runs.items():
            views = views_of(run, numbers, sampler_steps, seed)
            on_sheet.setdefault(arm, views)
            of_objects = [figures(views[n], truth[n][1:], judge) for n in numbers]
            scores[arm].append(of_objects)
            means = {name: sum(one[name] for one in of_objects) / len(of_objects) for name in FIGURES}
            print(f"{title}, {arm}, seed {seed}:", *(f"{name} {mean:.3f}" for name, mean in means.items()), flush=True)
        report[f"on {title}"] = {"objects": len(numbers)} | {
            name: compared(
                {arm: [[one[name] for one in row] for row in of_arm] for arm, of_arm in scores.items()},
                [one[name] for one in reference],
            )
            for name in FIGURES
        }
        if categories is held_out:
            picture = sheet(numbers[:: max(1, len(numbers) // SHEET_OBJECTS)][:SHEET_OBJECTS], truth, on_sheet)
            results.mkdir(parents=True, exist_ok=True)
            imwrite(results / "zero123-claim.png", to_bytes(picture))
    (results / "zero123-claim.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps({name: value for name, value in report.items() if name != "machine"}, indent=1))


if __name__ == "__main__":
    typer.run(main)

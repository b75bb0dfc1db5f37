"""The recipes train, resume and write models that load."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.randomness import Draws
from maquette_nano import world
from maquette_nano.dataset import NanoWorld


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NanoWorld:
    config = NanoWorld.Config(
        objects=12, held_out_objects=8, size=32, cache=str(tmp_path_factory.mktemp("world")), workers=1
    )
    dataset = NanoWorld(config)
    dataset.prepare(torch.device("cpu"))
    return dataset


def test_batches_are_a_function_of_the_draws(data):
    first, again, other = (data.batch(Draws(0, step), 6) for step in (1, 1, 2))
    assert torch.equal(first.images, again.images) and list(first.captions) == list(again.captions)
    assert not torch.equal(first.images, other.images)
    assert first.images.shape == (6, 32, 32, 3) and first.images.min() >= 0 and first.images.max() <= 1


def test_the_front_is_over_represented_as_documented(data):
    def fronts(dataset: NanoWorld) -> float:
        captions = [c for step in range(20) for c in dataset.batch(Draws(0, step), 64).captions]
        told = [c for c in captions if c.endswith("view")]
        return float(np.mean([c.endswith("front view") for c in told]))

    flat = NanoWorld(NanoWorld.Config(**{**data.config.__dict__, "front_bias": 0.0}))
    flat.prepare(torch.device("cpu"))
    assert fronts(data) > fronts(flat) + 0.2


def test_all_pairs_brings_held_out_pairs_but_not_the_objects_that_are_evaluated(data, tmp_path):
    def pairs(dataset: NanoWorld) -> set[str]:
        return {world.split_of(*_pair(caption)) for caption in dataset.batch(Draws(0, 0), 256).captions}

    wide = NanoWorld(dataclasses.replace(data.config, objects=18, all_pairs=True, short_captions=1.0, view_words=0.0))
    wide.prepare(torch.device("cpu"))
    assert pairs(data) == {"train"} and pairs(wide) == {"train", "validation", "test"}
    seen = {picture.tobytes() for picture in wide._train.rgba.numpy()}
    assert len(seen) == (18 + 2 + 4) * 8  # as often for each pair
    assert not seen & {picture.tobytes() for picture in wide._held_out.rgba.numpy()}


def _pair(caption: str) -> tuple[str, str]:
    """Category and colour of "a COLOUR CATEGORY ..."."""
    colour, category = caption.replace(",", "").split()[1:3]
    return category, colour


def recipe(name: str, cache: str, output: Path) -> list[str]:
    stage = f"stages.{name}"
    return [
        f"configs/training/{name}.yaml", f"output={output}", f"{stage}.steps=3", f"{stage}.batch=4",
        f"{stage}.loop.precision=32-true", f"{stage}.loop.preview_every=0", f"{stage}.loop.log_every=1",
        f"{stage}.dataset.objects=12", f"{stage}.dataset.held_out_objects=8", f"{stage}.dataset.cache={cache}",
        f"{stage}.dataset.workers=1",
    ]  # fmt: skip


def train(words: list[str]) -> Path:
    result = CliRunner().invoke(app, ["train", *words])
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if line.startswith("run folder: "))
    return Path(line.removeprefix("run folder: "))


def test_the_text_recipe_makes_a_prior_that_our_loader_takes(tmp_path):
    from maquette.priors.base import Request
    from maquette.priors.text.stable_diffusion import StableDiffusion

    small = ["stages.nano-text.learner.widths=[16, 32]", "stages.nano-text.learner.attention_levels=1"]
    folder = train([*recipe("nano-text", str(tmp_path / "cache"), tmp_path), *small])
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3
    prior = StableDiffusion(StableDiffusion.Config(path=str(folder / "export" / "nano-text"), dtype="float32"))
    assert prior.noise_schedule.prediction == "v_prediction"
    prior.condition(Request("a red mug"))


def test_the_clip_recipe_makes_an_encoder_that_transformers_takes(tmp_path):
    from transformers import CLIPModel, CLIPTokenizer

    small = ["stages.nano-clip.learner.layers=1", "stages.nano-clip.learner.width=32"]
    folder = train([*recipe("nano-clip", str(tmp_path / "cache"), tmp_path), *small])
    model = CLIPModel.from_pretrained(folder / "export" / "nano-clip")
    tokens = CLIPTokenizer.from_pretrained(folder / "export" / "nano-clip")(["a red mug"], return_tensors="pt")
    assert model(**tokens, pixel_values=torch.zeros(1, 3, 64, 64)).logits_per_image.shape == (1, 1)
    assert 0 <= json.loads((folder / "export" / "nano-clip.json").read_text())["held-out retrieval"] <= 1


def test_the_judges_recipe_goes_on_from_the_encoder_and_its_words(tmp_path):
    from maquette.perception.clip import Clip
    from maquette.plugins import weights

    # A learning rate of zero for the first step: what is written is what it started from.
    folder = train([*recipe("nano-judge", str(tmp_path / "cache"), tmp_path), "stages.nano-judge.steps=1"])
    made, known = Clip(str(folder / "export" / "nano-judge")), Clip("nano-clip")
    assert torch.allclose(made.texts(["a red mug"]), known.texts(["a red mug"]), atol=1e-5)
    pictures = torch.rand(2, 64, 64, 3)
    assert torch.allclose(made.images(pictures), known.images(pictures), atol=1e-5)
    assert (folder / "export" / "nano-judge" / "tokenizer.json").read_bytes() == (
        weights()["nano-clip"] / "tokenizer.json"
    ).read_bytes()


def test_the_zero123_recipe_writes_the_parts_of_its_pipeline(tmp_path):
    learner = "stages.nano-zero123.learner"
    small = [f"{learner}.evaluated=4", f"{learner}.sample_steps=1", f"{learner}.start=''", f"{learner}.widths=[16, 32]"]
    small += [f"{learner}.attention_levels=1", "stages.nano-zero123.learning_rate=1.0e-3"]  # no warm-up
    folder = train([*recipe("nano-zero123", str(tmp_path / "cache"), tmp_path), *small])
    parts = {path.parent.name for path in (folder / "export" / "nano-zero123").rglob("*config.json")}
    assert parts == {"unet", "scheduler", "image_encoder", "feature_extractor", "clip_camera_projection"}
    assert "psnr" in json.loads((folder / "export" / "nano-zero123.json").read_text())


def test_the_recipe_of_four_views_makes_a_prior_that_our_loader_takes(tmp_path):
    from maquette.cameras import orbit_cameras
    from maquette.priors.base import Request
    from maquette.priors.mvdream.mvdream import MVDream

    words = recipe("nano-mvdream", str(tmp_path / "cache"), tmp_path)
    folder = train([*words, "stages.nano-mvdream.steps=2", "stages.nano-mvdream.learner.evaluated=2"])
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    prior = MVDream(MVDream.Config(path=str(folder / "export" / "nano-mvdream"), dtype="float32"))
    turns = torch.arange(4) * 90.0
    views = orbit_cameras(turns, 0 * turns, 0 * turns + 3.2, 0 * turns + 35, 64)
    conditions = prior.condition(Request("a red mug")).at(views)
    noise = prior.predict(torch.randn(4, 3, 64, 64), torch.full((4,), 900), conditions, views)["positive"]
    assert noise.shape == (4, 3, 64, 64) and noise.isfinite().all()


def test_the_recipe_of_six_views_makes_a_prior_that_our_loader_takes(tmp_path):
    from maquette.priors.zero123plus.zero123plus import Zero123Plus

    learner = "stages.nano-zero123plus.learner"
    small = [f"{learner}.widths=[16, 32]", f"{learner}.attention_levels=1", f"{learner}.evaluated=2"]
    small += [f"{learner}.sample_steps=1"]
    folder = train([*recipe("nano-zero123plus", str(tmp_path / "cache"), tmp_path), *small])
    place = folder / "export" / "nano-zero123plus"
    prior = Zero123Plus(Zero123Plus.Config(path=str(place), layout="v1.2", dtype="float32"))
    assert prior.size == 32
    assert "psnr of the input" in json.loads(place.with_suffix(".json").read_text())


def test_the_recipe_of_depth_and_normals_makes_an_estimator_that_our_loader_takes(tmp_path):
    from maquette.perception.estimator import Estimator

    learner = "stages.nano-depth-normals.learner"
    small = [f"{learner}.side=32", f"{learner}.stages=[16, 32, 32]", f"{learner}.evaluated=4"]
    folder = train([*recipe("nano-depth-normals", str(tmp_path / "cache"), tmp_path), *small])
    figures = json.loads((folder / "export" / "nano-depth-normals.json").read_text())
    assert -1 <= figures["held-out depth correlation"] <= 1 and 0 <= figures["held-out normal angle_deg"] <= 180
    found = Estimator(str(folder / "export" / "nano-depth-normals")).estimate(torch.rand(1, 64, 64, 3))
    assert found.nearness.shape == (1, 64, 64, 1) and found.normal.shape == (1, 64, 64, 3)

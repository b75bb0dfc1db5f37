"""The recipes train, resume and write models that load."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from command_line import run_folder
from maquette.randomness import Draws
from maquette_nano import world
from maquette_nano.dataset import NanoWorld
from maquette_nano.groups import NanoGroups


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NanoWorld:
    config = NanoWorld.Config(
        objects=12, held_out_objects=4, size=16, cache=str(tmp_path_factory.mktemp("world")), workers=1
    )
    dataset = NanoWorld(config)
    dataset.prepare(torch.device("cpu"))
    return dataset


def test_batches_are_a_function_of_the_draws(data):
    first, again, other = (data.batch(Draws(0, step), 6) for step in (1, 1, 2))
    assert torch.equal(first.images, again.images) and list(first.captions) == list(again.captions)
    assert not torch.equal(first.images, other.images)
    assert first.images.shape == (6, 16, 16, 3) and first.images.min() >= 0 and first.images.max() <= 1


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
    color, category = caption.replace(",", "").split()[1:3]
    return category, color


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("renders")


def train(name: str, cache: Path, output: Path, *words: str, pixels: int = 16, **learner: object) -> Path:
    """Run the recipe for two steps of two pictures `pixels` wide, with these settings of its learner."""
    stage = f"stages.{name}"
    return run_folder(
        "train", f"configs/training/{name}.yaml", f"output={output}", f"{stage}.steps=2", f"{stage}.batch=2",
        f"{stage}.learning_rate=1e-3",  # a recipe's own schedule is made for its thousands of steps
        f"{stage}.loop.precision=32-true", f"{stage}.loop.preview_every=0", f"{stage}.loop.log_every=1",
        f"{stage}.dataset.objects=12", f"{stage}.dataset.held_out_objects=4", f"{stage}.dataset.size={pixels}",
        f"{stage}.dataset.cache={cache}", f"{stage}.dataset.workers=1",
        *(f"{stage}.learner.{key}={value}" for key, value in learner.items()), *words,
    )  # fmt: skip


@pytest.fixture(scope="module")
def text_run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = {"size": 16, "widths": [16, 32], "attention_levels": 1, "text_layers": 1, "evaluated": 4}
    return train("nano-text", cache, tmp_path_factory.mktemp("runs"), **small)


def test_the_text_recipe_makes_a_prior_that_our_loader_takes(text_run):
    from maquette.priors.base import Request
    from maquette.priors.text.stable_diffusion import StableDiffusion

    assert len((text_run / "metrics.jsonl").read_text().splitlines()) == 2
    assert json.loads((text_run / "export" / "nano-text.json").read_text())["held-out velocity"] > 0
    prior = StableDiffusion(StableDiffusion.Config(path=str(text_run / "export" / "nano-text"), dtype="float32"))
    assert prior.noise_schedule.prediction == "v_prediction"
    prior.condition(Request("a red mug"))


def test_the_clip_recipe_makes_an_encoder_that_transformers_takes(cache, tmp_path):
    from transformers import CLIPModel, CLIPTokenizer

    folder = train("nano-clip", cache, tmp_path, size=16, layers=1, width=32, evaluated=8)
    model = CLIPModel.from_pretrained(folder / "export" / "nano-clip")
    tokens = CLIPTokenizer.from_pretrained(folder / "export" / "nano-clip")(["a red mug"], return_tensors="pt")
    assert model(**tokens, pixel_values=torch.zeros(1, 3, 16, 16)).logits_per_image.shape == (1, 1)
    assert 0 <= json.loads((folder / "export" / "nano-clip.json").read_text())["held-out retrieval"] <= 1


def test_the_judges_recipe_goes_on_from_the_encoder_and_its_words(cache, tmp_path):
    from maquette.perception.clip import Clip
    from maquette.plugins import weights

    # A learning rate of zero for the first step: what is written is what it started from.
    folder = train("nano-judge", cache, tmp_path, "stages.nano-judge.learning_rate=0", evaluated=4)
    made, known = Clip(str(folder / "export" / "nano-judge")), Clip("nano-clip")
    assert torch.allclose(made.texts(["a red mug"]), known.texts(["a red mug"]), atol=1e-5)
    pictures = torch.rand(2, 64, 64, 3)
    assert torch.allclose(made.images(pictures), known.images(pictures), atol=1e-5)
    assert (folder / "export" / "nano-judge" / "tokenizer.json").read_bytes() == (
        weights()["nano-clip"] / "tokenizer.json"
    ).read_bytes()


def test_the_zero123_recipe_writes_the_parts_of_its_pipeline(cache, tmp_path):
    small = {"size": 16, "widths": [16, 32], "attention_levels": 1, "start": "''", "evaluated": 4, "sample_steps": 1}
    folder = train("nano-zero123", cache, tmp_path, **small)
    parts = {path.parent.name for path in (folder / "export" / "nano-zero123").rglob("*config.json")}
    assert parts == {"unet", "scheduler", "image_encoder", "feature_extractor", "clip_camera_projection"}
    assert "psnr" in json.loads((folder / "export" / "nano-zero123.json").read_text())


def test_the_recipe_of_four_views_makes_a_prior_that_our_loader_takes(text_run, cache, tmp_path):
    from maquette.cameras import orbit_cameras
    from maquette.priors.base import Request
    from maquette.priors.mvdream.mvdream import MVDream

    folder = train("nano-mvdream", cache, tmp_path, start=text_run / "export" / "nano-text", evaluated=1)
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    prior = MVDream(MVDream.Config(path=str(folder / "export" / "nano-mvdream"), dtype="float32"))
    turns = torch.arange(4) * 90.0
    views = orbit_cameras(turns, 0 * turns, 0 * turns + 3.2, 0 * turns + 35, 16)
    conditions = prior.condition(Request("a red mug")).at(views)
    noise = prior.predict(torch.randn(4, 3, 16, 16), torch.full((4,), 900), conditions, views)["positive"]
    assert noise.shape == (4, 3, 16, 16) and noise.isfinite().all()


def test_the_recipe_of_four_views_starts_from_the_text_prior_that_ships():
    from maquette.learners.multi_view import MultiViewLearner

    recipe = yaml.safe_load(Path("configs/training/nano-mvdream.yaml").read_text(encoding="utf-8"))
    learner = MultiViewLearner(MultiViewLearner.Config(recipe["stages"]["nano-mvdream"]["learner"]["start"]))
    learner.build(NanoGroups(NanoGroups.Config()))
    assert learner.size == 64 and learner.networks.unet.config.cross_attention_dim == 128


def test_the_recipe_of_six_views_makes_a_prior_that_our_loader_takes(cache, tmp_path):
    from maquette.priors.zero123plus.zero123plus import Zero123Plus

    small = {"size": 8, "reference_size": 16, "widths": [16, 32], "attention_levels": 1, "sample_steps": 1}
    views = "stages.nano-zero123plus.dataset.view_size=8"
    folder = train("nano-zero123plus", cache, tmp_path, views, evaluated=2, **small)
    place = folder / "export" / "nano-zero123plus"
    prior = Zero123Plus(Zero123Plus.Config(path=str(place), layout="v1.2", dtype="float32"))
    assert prior.size == 8
    assert "psnr of the input" in json.loads(place.with_suffix(".json").read_text())


def test_the_recipe_of_joint_views_makes_a_prior_that_our_loader_takes(cache, tmp_path):
    from maquette.priors.zero123.zero123 import Zero123

    small = {"size": 16, "widths": [16, 32], "attention_levels": 1, "start": "''", "evaluated": 2, "sample_steps": 1}
    folder = train("nano-zero123-six", cache, tmp_path, **small)
    place = folder / "export" / "nano-zero123-six"
    assert Zero123(Zero123.Config(path=str(place), views=6, dtype="float32")).size == 16
    assert "psnr of the input" in json.loads(place.with_suffix(".json").read_text())


def test_the_recipe_of_depth_and_normals_makes_an_estimator_that_our_loader_takes(cache, tmp_path):
    from maquette.perception.estimator import Estimator

    small = {"side": 32, "stages": [16, 32, 32], "evaluated": 4}
    folder = train("nano-depth-normals", cache, tmp_path, pixels=32, **small)
    figures = json.loads((folder / "export" / "nano-depth-normals.json").read_text())
    assert -1 <= figures["held-out depth correlation"] <= 1 and 0 <= figures["held-out normal angle_deg"] <= 180
    found = Estimator(str(folder / "export" / "nano-depth-normals")).estimate(torch.rand(1, 64, 64, 3))
    assert found.nearness.shape == (1, 64, 64, 1) and found.normal.shape == (1, 64, 64, 3)


def test_the_recipe_of_volumes_makes_a_start_that_the_generator_takes(cache, tmp_path):
    from maquette.generators.reconstructor import ReconstructorGenerator
    from maquette.priors.base import Request
    from maquette_nano.posed import posed_object

    small = {"picture_widths": [8, 8, 8], "features": 4, "widths": [16, 16], "blocks": [1, 1], "evaluated": 2}
    resolution = "stages.nano-reconstructor.dataset.resolution=16"
    folder = train("nano-reconstructor", cache, tmp_path, resolution, **small)
    figures = json.loads((folder / "export" / "nano-reconstructor.json").read_text())
    assert 0.5 < figures["solid IoU of the hull, 6 true views"] < 1
    weights = str(folder / "export" / "nano-reconstructor")
    generator = ReconstructorGenerator(ReconstructorGenerator.Config(weights, device="cpu"))
    grid = generator.generate(Request(""), posed_object(0, views=5, size=32, test_views=1), Draws(0, 0))
    assert grid.distances.shape == (16, 16, 16) and grid.distances.isfinite().all()


@pytest.mark.slow
def test_the_recipes_of_one2345_make_two_stages_that_the_generator_takes(cache, tmp_path):
    from maquette.generators.one2345.one2345 import One2345
    from maquette.priors.base import Request
    from maquette_nano.posed import posed_object

    sizes = {"picture_widths": [8, 8, 8], "features": 4, "widths": [16, 16], "blocks": [1, 1]}
    words = [f"stages.{{0}}.dataset.{key}" for key in ("resolution=16", "sampled.objects=0")]

    def trained(name: str, **learner: object) -> str:
        folder = train(name, cache, tmp_path / name, *(word.format(name) for word in words), **learner)
        return str(folder / "export" / name)

    volumes = trained("nano-reconstructor", **sizes, evaluated=2)
    shape = trained("nano-one2345-shape", reconstructor=volumes, evaluated=2, sample_steps=2)
    small = {"widths": [8, 16], "blocks": [1, 1], "evaluated": 2, "sample_steps": 2}
    surface = trained("nano-one2345-surface", reconstructor=volumes, **small)
    generator = One2345(One2345.Config(shape, surface, shape_steps=2, surface_steps=2, device="cpu"))
    grid = generator.generate(Request(""), posed_object(0, views=5, size=32, test_views=1), Draws(0, 0))
    assert grid.distances.shape == (32, 32, 32) and grid.distances.isfinite().all() and grid.colors is not None

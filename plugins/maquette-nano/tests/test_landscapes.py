"""Photographs of landscapes: exact light, worlds of their own, and no cameras."""

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch

from command_line import run_folder
from maquette.kernels.height_field import GROUND, SKY
from maquette.landscapes import World
from maquette.landscapes.classes import LABELS
from maquette.landscapes.generator import Generator
from maquette.landscapes.translator import Translator
from maquette.landscapes.views import camera_at, look
from maquette.randomness import Draws
from maquette_nano.landscapes import seeds
from maquette_nano.landscapes.dataset import NanoDescribedLandscapes, NanoLandscapes
from maquette_nano.landscapes.photographs import WORLD, facts, photograph
from maquette_nano.landscapes.shading import SUN_AZIMUTH_DEG, Style, developed, normals, shade, sky_light

NOON = Style(sun_deg=50.0, haze=0.1, clouds=0.0, autumn=0.0, exposure=1.0)


@pytest.fixture(scope="module")
def scene():
    return World(seeds.PHOTOGRAPHED, WORLD).window()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    cache = str(tmp_path_factory.mktemp("photographs"))
    data = NanoLandscapes(NanoLandscapes.Config(photographs=6, held_out=4, per_world=3, size=32, cache=cache))
    data.prepare(torch.device("cpu"))
    return data


def test_photographs_and_training_worlds_share_no_seed():
    first = [
        seeds.TRAINING_WORLDS,
        seeds.HELD_OUT_WORLDS,
        seeds.PHOTOGRAPHED,
        seeds.HELD_OUT_PHOTOGRAPHED,
        seeds.SCORED,
    ]
    assert first == sorted(first) and min(b - a for a, b in itertools.pairwise(first)) >= 500_000


def test_a_batch_of_photographs_holds_pictures_and_labels_and_no_camera(dataset):
    batch = dataset.batch(Draws(0, 0), 5)
    assert [field.name for field in dataclasses.fields(batch)] == ["images", "labels"]
    assert batch.images.shape == (5, 32, 32, 3) and batch.labels.shape == (5, 32, 32)
    assert 0.05 < batch.images.mean() < 0.95 and batch.images.std() > 0.05


def test_a_batch_is_a_function_of_its_draws_and_held_out_pictures_are_others(dataset):
    assert torch.equal(dataset.batch(Draws(0, 3), 4).images, dataset.batch(Draws(0, 3), 4).images)
    train, held_out = dataset.batch(Draws(0, 0), 40).images, dataset.held_out(Draws(0, 0), 4).images
    assert all(not torch.equal(one, other) for one in held_out for other in train)


def test_photographs_come_from_the_cache_the_second_time(dataset):
    again = NanoLandscapes(dataset.config)
    again.prepare(torch.device("cpu"))
    assert torch.equal(again.sample(4).images, dataset.sample(4).images)


def test_the_same_draws_give_the_same_photograph(scene):
    first, second = (photograph(scene, Draws(4, 2), 24) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


def test_slopes_that_face_the_sun_are_brighter_than_those_that_face_away(scene):
    camera = camera_at(torch.tensor([128.0, 128.0, 220.0]), 0.0, -89.9, 60.0, 48, 48)
    view = look(scene, camera)
    low = dataclasses.replace(NOON, sun_deg=25.0)
    light = shade(scene, view, low).mean(dim=-1)
    facing = (normals(scene, view.points.reshape(-1, 3), view.kind.flatten()) @ low.sun).reshape(48, 48)
    ground = view.kind == GROUND
    assert light[ground & (facing > 0.6)].mean() > 1.5 * light[ground & (facing < 0.2)].mean()


def test_the_sun_stands_at_one_azimuth_of_the_world():
    for step in range(5):
        x, y, _ = Style.draw(Draws(0, step)).sun.tolist()
        assert torch.rad2deg(torch.atan2(torch.tensor(y), torch.tensor(x))).item() == pytest.approx(
            SUN_AZIMUTH_DEG, abs=1e-3
        )


def test_a_low_sun_makes_a_warmer_sky():
    ahead = torch.tensor([[1.0, 0.0, 0.1]])
    noon, dusk = (sky_light(ahead, dataclasses.replace(NOON, sun_deg=deg))[0] for deg in (50.0, 5.0))
    assert dusk[0] / dusk[2] > 1.5 * noon[0] / noon[2]


def test_haze_hides_what_is_far(scene):
    camera = camera_at(torch.tensor([128.0, 128.0, 60.0]), 30.0, -8.0, 60.0, 32, 32)
    view = look(scene, camera)
    clear, thick = (shade(scene, view, dataclasses.replace(NOON, haze=haze)) for haze in (0.0, 50.0))
    far = (view.kind != SKY) & (view.depth > 60)
    assert far.any() and thick[far].std(dim=0).max() < 0.1 * clear[far].std(dim=0).max()


def test_development_keeps_black_and_the_order_of_light():
    light = torch.linspace(0, 8, 50)[:, None].expand(-1, 3)
    picture = developed(light)
    assert picture[0].abs().max() == 0 and (picture.diff(dim=0) >= 0).all() and picture.max() <= 1


def train(name: str, cache: Path, output: Path, *words: str) -> Path:
    """Run a recipe for two steps on a few small photographs; the folder of its weights."""
    stage = f"stages.{name}"
    folder = run_folder(
        "train", f"configs/training/{name}.yaml", f"output={output}", f"{stage}.steps=2", f"{stage}.batch=2",
        f"{stage}.learning_rate=1e-3", f"{stage}.loop.preview_every=0", f"{stage}.dataset.photographs=6",
        f"{stage}.dataset.held_out=4", f"{stage}.dataset.per_world=3", f"{stage}.dataset.size=32",
        f"{stage}.dataset.cache={cache}", f"{stage}.learner.evaluated=4", *(f"{stage}.{word}" for word in words),
    )  # fmt: skip
    return folder / "export" / name


@pytest.mark.slow
def test_the_landscape_recipes_make_a_translator_and_a_generator_that_load(tmp_path):
    cache = tmp_path / "photographs"
    painter = train("nano-landscape-translator", cache, tmp_path)
    Translator.load(str(painter))
    worlds = ("dataset.worlds=2", "dataset.held_out_worlds=1", "learner.crop=24", f"learner.translator={painter}")
    generator = Generator.load(str(train("nano-landscape", cache, tmp_path, *worlds)))
    assert generator.architecture.grid.dimensions == 5 and generator.architecture.hidden == 64


def test_facts_are_those_of_the_photograph_with_the_same_draws(dataset):
    described = NanoDescribedLandscapes(dataset.config)
    described.prepare(torch.device("cpu"))
    batch, pictures = described.batch(Draws(0, 3), 6), dataset.batch(Draws(0, 3), 6)
    assert torch.equal(batch.images, pictures.images) and batch.numbers.shape == (6, 2)
    torch.testing.assert_close(batch.fractions.sum(dim=1), torch.ones(6))
    sky = (pictures.labels == LABELS.index("sky")).float().mean(dim=(1, 2))
    torch.testing.assert_close(batch.fractions[:, LABELS.index("sky")], sky)
    scene, draws = World(seeds.PHOTOGRAPHED, WORLD).window(), Draws(seeds.PHOTOGRAPHED, 0)
    sun_deg, slope_deg = facts(scene, draws, 32).tolist()
    assert sun_deg == pytest.approx(Style.draw(draws).sun_deg) and 0 < slope_deg < 80

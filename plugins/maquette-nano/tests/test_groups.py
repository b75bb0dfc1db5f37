"""Groups of four views of nano objects: one object, one background, cameras at right angles."""

import pytest
import torch

from maquette.randomness import Draws
from maquette_nano import world
from maquette_nano.groups import NanoGroups
from maquette_nano.renders import DISTANCE, FOV_DEG


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NanoGroups:
    cache = str(tmp_path_factory.mktemp("world"))
    dataset = NanoGroups(NanoGroups.Config(objects=12, held_out_objects=8, size=32, cache=cache, workers=1))
    dataset.prepare(torch.device("cpu"))
    return dataset


def test_a_group_is_four_cameras_at_right_angles_at_one_height(data):
    batch = data.batch(Draws(0, 1), 5)
    assert batch.images.shape == (20, 32, 32, 3) and len(batch.captions) == 5
    turns = batch.cameras.azimuth_deg.view(5, 4).diff(dim=1) % 360
    torch.testing.assert_close(turns, torch.full((5, 3), 90.0), atol=1e-3, rtol=0)
    elevation = batch.cameras.elevation_deg.view(5, 4)
    assert (elevation == elevation[:, :1]).all() and elevation.min() >= 0 and elevation.max() <= 30
    assert not any(caption.endswith("view") for caption in batch.captions)


def test_the_views_of_a_group_share_one_background(data):
    corners = data.batch(Draws(0, 2), 5).images[:, 0, 0].view(5, 4, 3)
    assert (corners == corners[:, :1]).all() and len(corners[:, 0].unique(dim=0)) == 5


def test_pictures_are_those_that_the_cameras_take(data):
    batch, differences = data.batch(Draws(0, 3), 1), {}
    for thing in (world.sample_object(index, "train") for index in range(12)):
        seen = world.render(thing, batch.cameras.c2w.numpy(), FOV_DEG, 32)
        picture = seen.picture.over(batch.images[:, :1, :1])
        differences[float((picture - batch.images).abs().mean())] = f"{thing.body} {thing.category}"
    assert min(differences) < 2 / 255 and differences[min(differences)] in batch.captions[0]
    torch.testing.assert_close(batch.cameras.distance, torch.full((4,), DISTANCE))


def test_batches_are_a_function_of_the_draws_and_held_out_objects_are_others(data):
    first, again = (data.batch(Draws(0, 1), 6) for _ in range(2))
    assert torch.equal(first.images, again.images) and first.captions == again.captions
    assert not torch.equal(first.images, data.held_out(Draws(0, 1), 6).images)

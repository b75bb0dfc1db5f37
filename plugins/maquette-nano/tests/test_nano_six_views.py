"""Pictures and six views: one object, one grey, and cameras where the prior has them."""

import math

import numpy as np
import pytest
import torch

from maquette.cameras.six_views import six_cameras
from maquette.randomness import Draws
from maquette_nano import world
from maquette_nano.renders import FOV_DEG, SIX_DISTANCE, SIX_FOV_DEG, VIEWS, six_angles
from maquette_nano.six_views import GREY, NanoSixViews

SIZE = 32


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    config = NanoSixViews.Config(
        objects=5, held_out_objects=4, size=SIZE, view_size=16, cache=str(tmp_path_factory.mktemp("six")), workers=1
    )
    dataset = NanoSixViews(config)
    dataset.prepare(torch.device("cpu"))
    return dataset


def test_views_are_what_the_priors_cameras_see(data):
    views, azimuth = data._train, float(data._train.azimuth_deg[VIEWS])
    cameras = six_cameras("v1.2", azimuth, SIX_DISTANCE, SIZE)
    np.testing.assert_allclose(
        views.azimuth_deg[VIEWS : 2 * VIEWS], [azimuth, azimuth, *(cameras.azimuth_deg % 360)], atol=1e-3
    )
    thing = world.sample_object(1, "train")
    seen = world.render(thing, cameras.c2w.numpy(), SIX_FOV_DEG, SIZE)
    stored = views.rgba[VIEWS + 2 : 2 * VIEWS].float() / 255
    assert float(np.abs(stored[..., 3].numpy() - seen.opacity).mean()) < 5e-3


def test_an_object_fits_its_views(data):
    assert SIX_DISTANCE * math.tan(math.radians(SIX_FOV_DEG / 2)) == pytest.approx(world.BOUND)
    edge = torch.cat([data._train.rgba[:, 0, :, 3], data._train.rgba[:, :, 0, 3]])
    assert float((edge > 0).float().mean()) < 0.02


def test_a_batch_is_pictures_and_views_of_the_same_objects_before_grey(data):
    batch = data.batch(Draws(0, 0), 7)
    assert batch.reference.shape == (7, SIZE, SIZE, 3) and batch.views.shape == (42, 16, 16, 3)
    for corner in (batch.reference[:, 0, 0], batch.views[:, 0, 0]):
        torch.testing.assert_close(corner, torch.full_like(corner, GREY), atol=1e-6, rtol=0)
    colors = batch.views.unflatten(0, (7, 6)).mean(dim=(1, 2, 3))
    distances = torch.cdist(batch.reference.mean(dim=(1, 2)), colors)
    assert float(distances.diagonal().mean()) < float(distances.mean())
    again, other = (data.batch(Draws(0, step), 7) for step in (0, 1))
    assert torch.equal(batch.views, again.views) and not torch.equal(batch.views, other.views)


def test_pictures_are_taken_from_one_azimuth_at_two_heights():
    azimuth, elevation = six_angles(np.random.default_rng(0))
    assert azimuth[0] == azimuth[1] and elevation[0] != elevation[1]
    assert elevation[2:].tolist() == [20, -10] * 3 and (elevation[:2] >= -10).all() and (elevation[:2] <= 60).all()
    assert FOV_DEG == 35.0


def test_views_that_pictures_cannot_be_pooled_to_are_refused():
    with pytest.raises(ValueError, match="no whole part"):
        NanoSixViews.Config(size=64, view_size=48)

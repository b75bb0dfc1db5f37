"""Views with depth and normals: from below and above, and those of the object itself."""

import numpy as np
import pytest
import torch

from maquette.cameras.base import orbit_cameras
from maquette.randomness import Draws
from maquette_nano import world
from maquette_nano.geometry import NanoGeometry
from maquette_nano.renders import DISTANCE, FOV_DEG, VIEWS, view_angles


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NanoGeometry:
    cache = str(tmp_path_factory.mktemp("geometry"))
    dataset = NanoGeometry(NanoGeometry.Config(objects=3, held_out_objects=2, size=32, cache=cache, workers=1))
    dataset.prepare(torch.device("cpu"))
    return dataset


def test_a_quarter_of_the_views_look_from_below_ten_degrees_under_the_horizon():
    rng = np.random.default_rng(0)
    elevation = np.concatenate([view_angles(rng, "below")[1] for _ in range(500)])
    assert elevation.min() > -30 and elevation.max() < 80
    assert 0.2 < (elevation < -10).mean() < 0.32


def test_views_around_stay_above_ten_degrees_under_the_horizon():
    rng = np.random.default_rng(0)
    elevation = np.concatenate([view_angles(rng, "around")[1] for _ in range(100)])
    assert elevation.min() > -10


def test_depth_and_normals_are_those_that_the_camera_sees(data):
    views, number = data._train, 2 * VIEWS + 5
    azimuth_deg, elevation_deg = (torch.tensor([float(a[number])]) for a in (views.azimuth_deg, views.elevation_deg))
    cameras = orbit_cameras(azimuth_deg, elevation_deg, torch.tensor([DISTANCE]), torch.tensor([FOV_DEG]), 32)
    rendered = world.render(world.sample_object(2, "train"), cameras.c2w.numpy(), FOV_DEG, 32)
    normal, depth = views.geometry(torch.tensor([number]))
    inside = rendered.opacity > 0.99
    expected = rendered.normal @ cameras.c2w.numpy()[:, None, :3, :3]
    np.testing.assert_allclose(normal.numpy()[inside], expected[inside], atol=2 / 255)
    np.testing.assert_allclose(depth.numpy()[..., 0][inside], rendered.depth[inside], atol=0.01)


def test_batches_are_a_function_of_the_draws(data):
    first, again = (data.batch(Draws(0, 1), 4) for _ in range(2))
    assert torch.equal(first.images, again.images) and torch.equal(first.normal, again.normal)

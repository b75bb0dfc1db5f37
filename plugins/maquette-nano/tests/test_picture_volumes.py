"""Objects by a picture and six views: cameras, distances and exact surfaces are of one object, turned or not."""

import pytest
import torch

from maquette.perception.view_volume import cell_centres, sample_views
from maquette.randomness import Draws
from maquette_nano.picture_volumes import NanoPictureVolumes
from maquette_nano.volumes import BOUND

RESOLUTION = 16
CELL = 2 * BOUND / RESOLUTION


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NanoPictureVolumes:
    config = NanoPictureVolumes.Config(
        objects=6, held_out_objects=4, size=32, resolution=RESOLUTION, four_elevation_deg=(-10.0, 50.0), turned=0.8,
        cache=str(tmp_path_factory.mktemp("world")), workers=1,
    )  # fmt: skip
    dataset = NanoPictureVolumes(config)
    dataset.prepare(torch.device("cpu"))
    return dataset


def test_a_batch_has_six_views_in_turn_and_a_picture_last(data):
    batch = data.batch(Draws(0, 0), 3)
    azimuth, elevation = (angle.view(3, 7) for angle in (batch.cameras.azimuth_deg, batch.cameras.elevation_deg))
    turns = azimuth[:, :6].diff(dim=1) % 360
    torch.testing.assert_close(turns, torch.full_like(turns, 60), atol=1e-2, rtol=0)
    assert {tuple(row) for row in elevation[:, :2].tolist()} <= {(20.0, -10.0), (30.0, -20.0)}
    assert elevation[:, 6].min() >= -10 and elevation[:, 6].max() <= 50


def test_surfaces_have_the_distances_of_the_grid_turned_or_not(data):
    points = cell_centres(BOUND, RESOLUTION)
    for step in range(3):
        batch = data.held_out(Draws(0, step), 4, 7, perturbed=True)
        for grid, surface in zip(batch.distances, batch.surfaces, strict=True):
            distances, _ = surface(points)
            torch.testing.assert_close(distances.clamp(-CELL, CELL), grid.flatten(), atol=0.02 * CELL, rtol=0)


def test_colors_of_surfaces_are_those_that_views_show(data):
    """Shaded colours at visible points have the hue of the surface: they correlate, channel by channel."""
    objects = data.sample_objects(4, 7)
    points = cell_centres(BOUND, RESOLUTION)
    seen = sample_views(objects.images.permute(0, 3, 1, 2), objects.cameras, points, 7).mean(1)
    shown, true = [], []
    for i, surface in enumerate(objects.surfaces):
        distances, colors = surface(points)
        near = distances.abs() < 0.3 * CELL
        shown.append(seen[i].T[near])
        true.append(colors[near])
    pairs = torch.stack([torch.cat(shown).flatten(), torch.cat(true).flatten()])
    assert torch.corrcoef(pairs)[0, 1] > 0.5


def test_the_same_draws_give_the_same_batch(data):
    one, other = (data.batch(Draws(3, 5), 2) for _ in range(2))
    assert torch.equal(one.images, other.images) and torch.equal(one.distances, other.distances)

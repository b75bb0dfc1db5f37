"""The generator of signed distances from posed views: a grid in scene units, whatever the pictures' size."""

import dataclasses
from pathlib import Path

import pytest
import torch

from maquette import registry
from maquette.cameras.base import orbit_cameras
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.generators.base import DistanceGrid
from maquette.generators.reconstructor import ReconstructorGenerator
from maquette.images.picture import Picture
from maquette.perception.reconstructor import Architecture, Reconstructor
from maquette.priors.base import Request
from maquette.randomness import Draws

BOUND, RESOLUTION = 0.8, 8
CELL = 2 * BOUND / RESOLUTION
REQUEST, DRAWS = Request("a ball"), Draws(0, 0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    network = Reconstructor(Architecture(BOUND, RESOLUTION, 16, (8, 8, 8), 4, (8, 8), (1, 1), 8))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.normal_(network.unet.leave.weight, std=100.0)  # beyond the truncation
    folder: Path = tmp_path_factory.mktemp("weights")
    network.save(folder)
    return str(folder)


def views_of_a_ball(count: int, size: int, behind: float = 1.0) -> PosedImages:
    one = torch.ones(count)
    cameras = orbit_cameras(360 / count * torch.arange(count), 20 * one, 3.2 * one, 35 * one, size)
    origins, directions = cameras.rays()
    alpha = (origins.cross(directions, dim=-1).norm(dim=-1, keepdim=True) < 0.5).float()
    color = torch.where(alpha > 0, torch.tensor([0.9, 0.2, 0.1]), behind)
    return PosedImages(Picture(color, alpha), cameras, ("train",) * count, tuple(map(str, range(count))))


def generate(weights: str, views: PosedImages | None, grow: float = 0.0) -> DistanceGrid:
    config = ReconstructorGenerator.Config(weights, grow, device="cpu")
    generator = registry.get("generator", "reconstructor")(config)
    return generator.generate(REQUEST, views, DRAWS)


@pytest.mark.parametrize("count", [1, 4, 6])
def test_distances_stand_at_the_centres_of_the_cube_s_cells_in_scene_units(weights, count):
    grid = generate(weights, views_of_a_ball(count, 16))
    assert grid.distances.shape == (RESOLUTION,) * 3 and grid.cell == pytest.approx(CELL)
    assert grid.low == pytest.approx((-BOUND + CELL / 2,) * 3)
    assert grid.distances.abs().max() == pytest.approx(CELL)  # truncated
    assert grid.distances.std() > 0


def test_larger_and_smaller_pictures_are_brought_to_the_size_of_training(weights):
    large = generate(weights, views_of_a_ball(4, 64))
    reduced = generate(weights, views_of_a_ball(4, 64).resized(16))
    torch.testing.assert_close(large.distances, reduced.distances)
    assert generate(weights, views_of_a_ball(4, 8)).distances.shape == (RESOLUTION,) * 3


def test_a_grown_surface_has_smaller_distances_where_they_are_not_truncated(weights):
    before, after = (generate(weights, views_of_a_ball(4, 16), grow).distances for grow in (0.0, 0.2))
    assert (after <= before).all()
    inner = (before.abs() < 0.5 * CELL) & (after > -CELL)
    torch.testing.assert_close(after[inner], before[inner] - 0.2 * CELL)


def test_what_stands_behind_the_object_has_no_influence(weights):
    white, black = (generate(weights, views_of_a_ball(4, 16, behind)) for behind in (1.0, 0.0))
    torch.testing.assert_close(white.distances, black.distances)


def test_the_order_of_the_views_has_no_influence(weights):
    views = views_of_a_ball(4, 16)
    views = dataclasses.replace(
        views, picture=Picture(views.picture.color * torch.rand(4, 1, 1, 1), views.picture.alpha)
    )
    order = torch.tensor([3, 1, 0, 2])
    torch.testing.assert_close(
        generate(weights, views).distances, generate(weights, views[order]).distances, atol=1e-4, rtol=1e-4
    )


def test_without_views_it_says_where_they_come_from(weights):
    with pytest.raises(ConfigError, match="there are none") as refusal:
        generate(weights, None)
    assert "sample" in refusal.value.hint

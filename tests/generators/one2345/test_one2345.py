"""The generator of One-2-3-45++: a grid of distances and colours in scene units out of any posed views."""

from pathlib import Path

import pytest
import torch

from ball_views import ball_views
from maquette import registry
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.generators.base import DistanceGrid
from maquette.generators.one2345.one2345 import One2345, refined_grid, spread
from maquette.generators.one2345.surface_network import DISTANCES, SurfaceArchitecture
from maquette.generators.one2345.tower import Tower
from maquette.perception.view_volume import cell_centres
from maquette.priors.base import Request
from maquette.randomness import Draws
from tiny_one2345 import BOUND, RESOLUTION, reconstructor, shape_network, surface_network

TOWER = "nano-clip"
CELL = 2 * BOUND / RESOLUTION


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    width = Tower(TOWER).width
    folders: list[Path] = [tmp_path_factory.mktemp(name) for name in ("shape", "surface")]
    shape = shape_network(tower=TOWER, width=width)
    shape.start_from(reconstructor())
    shape.save(folders[0])
    surface_network(TOWER, width).save(folders[1])
    return str(folders[0]), str(folders[1])


def views_of_a_ball(count: int) -> PosedImages:
    return ball_views(*(360 / count * i for i in range(count)), size=16)


def generate(shape: str, surface: str = "", views: PosedImages | None = None, seed: int = 0) -> DistanceGrid:
    config = One2345.Config(shape, surface, shape_steps=2, surface_steps=2, grow=0.0, device="cpu")
    generator = registry.get("generator", "one2345")(config)
    return generator.generate(Request(""), views, Draws(seed, 0))


def test_stage_one_alone_gives_distances_at_the_centres_of_its_cells_and_no_colors(weights):
    grid = generate(weights[0], views=views_of_a_ball(4))
    assert grid.distances.shape == (RESOLUTION,) * 3 and grid.colors is None
    assert grid.cell == pytest.approx(CELL) and grid.low == pytest.approx((CELL / 2 - BOUND,) * 3)
    assert grid.distances.abs().max() <= CELL * 1.001


@pytest.mark.parametrize("count", [3, 7])
def test_both_stages_give_twice_the_resolution_with_colors(weights, count):
    grid = generate(*weights, views=views_of_a_ball(count))
    assert grid.distances.shape == (2 * RESOLUTION,) * 3
    assert grid.cell == pytest.approx(CELL / 2) and grid.low == pytest.approx((CELL / 4 - BOUND,) * 3)
    assert grid.colors is not None and grid.colors.min() >= 0 and grid.colors.max() <= 1


def test_one_seed_gives_one_object(weights):
    views = views_of_a_ball(4)
    one, same = (generate(*weights, views=views).distances for _ in range(2))
    assert torch.equal(one, same)


def test_without_views_it_says_where_they_come_from(weights):
    with pytest.raises(ConfigError, match="there are none") as refusal:
        generate(weights[0])
    assert "sample" in refusal.value.hint


def test_stages_of_different_cubes_are_refused(weights, tmp_path):
    network = surface_network(TOWER, Tower(TOWER).width)
    network.architecture = SurfaceArchitecture(**{**vars(network.architecture), "bound": 1.0})
    network.save(tmp_path)
    with pytest.raises(ConfigError, match=r"half side 1 .* one of 0\.84"):
        generate(weights[0], str(tmp_path), views_of_a_ball(4))


def test_children_take_their_place_in_the_grid_and_colors_spread_to_the_rest():
    network = surface_network()
    coarse = torch.ones(RESOLUTION, RESOLUTION, RESOLUTION)
    active = torch.zeros_like(coarse, dtype=torch.bool)
    active[2, 3, 4] = active[5, 1, 1] = True
    values = torch.zeros(2, DISTANCES * 4)
    values[:, :DISTANCES] = torch.linspace(-0.7, 0, 8)
    values[0, DISTANCES:], values[1, DISTANCES:] = 1.0, -1.0  # white, black
    grid = refined_grid(coarse, active, values, network.architecture, 0.0)
    points = cell_centres(BOUND, 2 * RESOLUTION).view(*grid.distances.shape, 3)
    own = (slice(4, 6), slice(6, 8), slice(8, 10))
    torch.testing.assert_close(grid.distances[own].flatten() / CELL, torch.linspace(-0.7, 0, 8))
    middle = points[own].reshape(-1, 3).mean(0)
    torch.testing.assert_close(middle, (torch.tensor([2, 3, 4]) + 0.5) * CELL - BOUND)
    assert grid.colors is not None and (grid.colors[own] == 1).all()
    assert (grid.colors[15, 0, 0] == 0).all() and (grid.colors[0, 15, 15] == 1).all()  # those of the nearer one


def test_colors_without_any_known_are_grey():
    assert (spread(torch.zeros(2, 2, 2, 3), torch.zeros(2, 2, 2, dtype=torch.bool)) == 0.5).all()


def test_the_tower_gives_embeddings_of_unit_mean_square():
    embedding = Tower(TOWER)(torch.rand(2, 32, 32, 3))
    torch.testing.assert_close(embedding.square().mean(-1), torch.ones(2))

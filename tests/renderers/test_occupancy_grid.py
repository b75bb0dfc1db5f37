"""The occupancy grid remembers where a field is dense, level by level."""

import torch

from maquette.randomness import Moment
from maquette.renderers.occupancy_grid import OccupancyConfig, OccupancyGrid


def ball(points: torch.Tensor) -> torch.Tensor:
    return 50.0 * (points.norm(dim=-1) < 0.3)


def test_each_level_covers_half_the_width_of_the_next():
    grid = OccupancyGrid(OccupancyConfig(resolution=4, levels=3), bound=2.0, step_size=0.1)
    assert grid.boxes[:, 1, 0].tolist() == [0.5, 1.0, 2.0] and grid.occupied.all()


def test_only_cells_near_the_ball_stay_occupied():
    grid = OccupancyGrid(OccupancyConfig(resolution=16, every=1), bound=1.0, step_size=0.02)
    for step in range(3):
        grid.update(ball, Moment.at(step, 10, 0))
    centres = torch.stack(torch.meshgrid(*[(torch.arange(16) + 0.5) / 8 - 1] * 3, indexing="ij"), dim=-1)
    distance = centres.norm(dim=-1)
    assert grid.occupied[0][distance < 0.2].all() and not grid.occupied[0][distance > 0.42].any()


def test_it_updates_when_it_is_due_and_skips_nothing_before_the_warmup_is_over():
    grid = OccupancyGrid(OccupancyConfig(resolution=16, every=2, warmup=4), bound=1.0, step_size=0.02)
    grid.update(ball, Moment.at(1, 10, 0))
    assert not grid.density.any()
    grid.update(ball, Moment.at(2, 10, 0))
    assert grid.density.any() and grid.occupied.all()
    grid.update(ball, Moment.at(4, 10, 0))
    assert not grid.occupied.all()


def test_densities_that_are_not_met_again_fade():
    grid = OccupancyGrid(OccupancyConfig(resolution=16, every=1, decay=0.5), bound=1.0, step_size=0.02)
    grid.update(ball, Moment.at(0, 10, 0))
    before = grid.density.clone()
    grid.update(lambda points: torch.zeros(len(points)), Moment.at(1, 10, 0))
    assert torch.equal(grid.density, before / 2)

"""A data set of balls with views, volumes and exact surfaces."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from maquette.cameras.base import orbit_cameras
from maquette.datasets.base import ViewsWithSurfaces
from maquette.perception.view_volume import cell_centres
from maquette.randomness import Draws

SIZE, RESOLUTION, BOUND, RADIUS = 24, 16, 0.84, 0.35
RED = torch.tensor([0.8, 0.1, 0.1])


def ball_surface(center: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Signed distances to a red ball, and its colour."""
    return (points - center).norm(dim=-1) - RADIUS, RED.expand(len(points), 3)


class Balls:
    """Red balls at random places, over white, with three or four views around."""

    bound, resolution, view_counts = BOUND, RESOLUTION, (3, 4)

    def draw(self, draws: Draws, size: int, views: int) -> ViewsWithSurfaces:
        centers = draws.uniform("center", size, 3, low=-0.4, high=0.4)
        one = torch.ones(size * views)
        azimuth_deg = (torch.arange(views) * 360 / views).repeat(size)
        cameras = orbit_cameras(azimuth_deg, 20 * one, 3.2 * one, 35 * one, SIZE)
        origins, directions = cameras.rays()
        offset = centers.repeat_interleave(views, dim=0)[:, None, None] - origins
        along = (offset * directions).sum(-1, keepdim=True)
        opacity = ((offset - along * directions).norm(dim=-1, keepdim=True) < RADIUS).float()
        images = 1 - opacity * (1 - RED)
        cell = 2 * BOUND / RESOLUTION
        surfaces = [partial(ball_surface, center) for center in centers]
        grids = [surface(cell_centres(BOUND, RESOLUTION))[0].view((RESOLUTION,) * 3) for surface in surfaces]
        return ViewsWithSurfaces(images, opacity, cameras, torch.stack(grids).clamp(-cell, cell), surfaces)

    def batch(self, draws: Draws, size: int) -> ViewsWithSurfaces:
        return self.draw(draws, size, 3 + int(draws.uniform("views", 1) < 0.5))

    def held_out(self, draws: Draws, size: int, views: int, perturbed: bool = False) -> ViewsWithSurfaces:
        return self.draw(draws.sub("held-out"), size, views)

    def sample_objects(self, count: int, views: int) -> ViewsWithSurfaces:
        return self.draw(Draws(5, 0), count, views)


def train_on_balls(learner: Any, steps: int, size: int) -> None:
    """Train a built learner with networks of its own for some steps of `size` balls."""
    optimiser = torch.optim.Adam(learner.networks.parameters(), 5e-3)
    for step in range(steps):
        optimiser.zero_grad()
        learner.loss(Balls().batch(Draws(0, step), size), Draws(0, step)).total().backward()
        optimiser.step()
        learner.after_step(step)

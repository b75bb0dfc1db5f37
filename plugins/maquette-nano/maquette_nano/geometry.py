"""Nano objects with their depth and normals, as a data set for learners that estimate them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from maquette.annotations import Fraction
from maquette.datasets.base import DepthsAndNormals
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano.renders import VIEWS, RendersConfig, Views, load_views, random_background_colors


@register("dataset", "nano-geometry")
class NanoGeometry:
    """Views of nano objects with depth (distances along the ray) and normals, from elevations of -30 to 80 degrees.

    Most backgrounds are white, the others a light grey with a tint.
    """

    @dataclass(frozen=True)
    class Config(RendersConfig):
        white: Fraction = 0.7  # probability of a white background

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        self._train = load_views("train", self.config, device, "geometry", "below")
        self._held_out = load_views("validation", self.config, device, "geometry", "below")

    def batch(self, draws: Draws, size: int) -> DepthsAndNormals:
        return self._draw(self._train, draws, size)

    def held_out(self, draws: Draws, size: int) -> DepthsAndNormals:
        return self._draw(self._held_out, draws, size)

    def _draw(self, views: Views, draws: Draws, size: int) -> DepthsAndNormals:
        index = draws.integers("view", 0, len(views.azimuth_deg) - 1, size)
        white = draws.uniform("white", size, 1) < self.config.white
        return _with_geometry(
            views, index, torch.where(white, 1.0, random_background_colors(draws.uniform("background", size, 4)))
        )

    def sample_views(self, count: int) -> DepthsAndNormals:
        """One view each of `count` held-out objects, from all sides, over white."""
        objects = torch.linspace(0, len(self._held_out.azimuth_deg) // VIEWS - 1, count).long()
        return _with_geometry(self._held_out, objects * VIEWS + torch.arange(count) % VIEWS, torch.ones(count, 3))


def _with_geometry(views: Views, index: Tensor, background: Tensor) -> DepthsAndNormals:
    normal, depth = views.geometry(index)
    return DepthsAndNormals(views.over(index, background), views.picture(index).alpha, depth, normal)

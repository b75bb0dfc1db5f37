"""Data set of reference images of nano objects with the six views of Zero123++."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from maquette.annotations import Pixels
from maquette.datasets.base import PicturesWithSixViews
from maquette.images.resampling import downsample
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano.renders import REFERENCES, VIEWS, RendersConfig, Views, load_views

GREY = 127 / 255  # background of all images, as in Zero123++


@register("dataset", "nano-six-views")
class NanoSixViews:
    """A reference image of an object and its six views, over the grey of Zero123++.

    The views frame the bounding sphere: an angle of view of 30 degrees from the distance `renders.SIX_DISTANCE`.
    """

    @dataclass(frozen=True)
    class Config(RendersConfig):
        view_size: Pixels = 32  # side of a view in pixels; references have `size`

        def __post_init__(self) -> None:
            if self.size % self.view_size:
                raise ValueError(f"a view of {self.view_size} pixels is no whole part of a picture of {self.size}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        self._train = load_views("train", self.config, device, rig="six")
        self._held_out = load_views("validation", self.config, device, rig="six")

    def batch(self, draws: Draws, size: int) -> PicturesWithSixViews:
        return self._draw(self._train, draws, size)

    def held_out(self, draws: Draws, size: int) -> PicturesWithSixViews:
        return self._draw(self._held_out, draws, size)

    def _draw(self, views: Views, draws: Draws, size: int) -> PicturesWithSixViews:
        first = draws.integers("object", 0, len(views.azimuth_deg) // VIEWS - 1, size) * VIEWS
        return self._with_six_views(views, first, draws.integers("picture", 0, REFERENCES - 1, size))

    def sample(self, count: int) -> PicturesWithSixViews:
        objects = torch.linspace(0, len(self._held_out.azimuth_deg) // VIEWS - 1, count).long()
        return self._with_six_views(self._held_out, objects * VIEWS, torch.zeros(count).long())

    def _with_six_views(self, views: Views, first: Tensor, picture: Tensor) -> PicturesWithSixViews:
        index = (first[:, None] + torch.arange(REFERENCES, VIEWS)).flatten()
        whole = views.over(index, torch.full((len(index), 3), GREY))
        return PicturesWithSixViews(
            views.over(first + picture, torch.full((len(first), 3), GREY)), downsample(whole, self.config.view_size)
        )

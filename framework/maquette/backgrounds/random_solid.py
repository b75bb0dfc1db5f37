"""A random solid colour at each step, so that the object cannot blend into the background."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count, Fraction
from maquette.backgrounds.base import Background, uniform_by_group
from maquette.randomness import Draws
from maquette.registry import register


@register("background", "random-solid")
class RandomSolid(Background):
    """A random grey with a random tint per picture during training, a fixed grey otherwise."""

    @dataclass(frozen=True)
    class Config:
        low: Fraction = 0.0  # darkest grey
        high: Fraction = 1.0  # lightest grey
        tint: Fraction = 0.5  # largest reduction of each channel below the grey
        eval_grey: Fraction = 0.85  # grey outside training
        views: Count = 1  # consecutive pictures with one colour; for multi-view priors their number of views

    config: Config

    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        c = self.config
        if draws is None:
            return torch.full_like(directions, c.eval_grey)
        uniform = uniform_by_group(draws, len(directions), 4, c.views).to(directions)
        color = (c.low + (c.high - c.low) * uniform[:, :1] - c.tint * uniform[:, 1:]).clamp(0, 1)
        return color[:, None, None, :].expand_as(directions)

"""A constant background colour."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Fraction
from maquette.backgrounds.base import Background
from maquette.randomness import Draws
from maquette.registry import register


@register("background", "solid")
class Solid(Background):
    """A constant colour in all directions."""

    @dataclass(frozen=True)
    class Config:
        color: tuple[Fraction, Fraction, Fraction] = (1.0, 1.0, 1.0)  # RGB in [0, 1]

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.register_buffer("color", torch.tensor(config.color), persistent=False)

    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        return self.color.to(directions).expand_as(directions)  # type: ignore[operator]

"""Colour without light."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.materials.base import Material
from maquette.registry import register


@register("material", "plain")
class Plain(Material):
    """Features through a sigmoid are the colour."""

    @dataclass(frozen=True)
    class Config:
        pass

    channels = 3

    def __init__(self, config: Config) -> None:
        super().__init__()

    def albedo(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 3"]:
        return torch.sigmoid(features[:, :3])

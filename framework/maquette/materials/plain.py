"""An unlit material."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import Capabilities
from maquette.materials.base import Material
from maquette.registry import register


@register("material", "plain")
class Plain(Material):
    """Unlit colour: the sigmoid of the first three features."""

    @dataclass(frozen=True)
    class Config:
        pass

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return Capabilities(feature_channels=3)

    def albedo(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 3"]:
        return torch.sigmoid(features[:, :3])

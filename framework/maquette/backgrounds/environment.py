"""A fixed environment map as background."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.backgrounds.base import Background
from maquette.images.color import linear_to_srgb
from maquette.images.environment import EnvironmentConfig, sample_panorama
from maquette.randomness import Draws
from maquette.registry import register


@register("background", "environment")
class Environment(Background):
    """The studio or an environment map from a file, as sRGB clipped at 1; the `pbr` material is lit by the same map."""

    @dataclass(frozen=True)
    class Config(EnvironmentConfig):
        pass

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.register_buffer("panorama", config.panorama(), persistent=False)
        self.panorama: Tensor

    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        return linear_to_srgb(sample_panorama(self.panorama[None], directions, rotation_deg=self.config.rotation_deg))

"""A learned picture all around."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.backgrounds.base import Background
from maquette.environment import look_up
from maquette.randomness import Draws
from maquette.registry import register


@register("background", "textured")
class Textured(Background):
    """A lat-long texture whose texels are learned, bilinear in between; grey at first.

    Source: Wang et al. 2022 (SJC, arXiv 2212.00774), whose code keeps 4 x 4 texels; threestudio's textured-background.
    """

    @dataclass(frozen=True)
    class Config:
        height: int = 16  # texels from straight up to straight down
        width: int = 32  # texels all around

        def __post_init__(self) -> None:
            if self.height < 1 or self.width < 1:
                raise ValueError(f"a texture has at least one texel, not {self.height} x {self.width}")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.texels = nn.Parameter(torch.zeros(config.height, config.width, 3))

    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        return look_up(torch.sigmoid(self.texels)[None], directions)

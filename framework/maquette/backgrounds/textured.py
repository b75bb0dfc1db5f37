"""A learned environment texture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, Pixels
from maquette.backgrounds.base import Background
from maquette.config.capabilities import Capabilities
from maquette.images.environment import sample_panorama
from maquette.randomness import Draws
from maquette.registry import register


@register("background", "textured")
class Textured(Background):
    """A learned lat-long texture with bilinear interpolation, initially grey.

    With a number of channels other than 3 the texels are latents, initially 0.

    Source: Wang et al. 2022 (SJC, arXiv 2212.00774), whose code keeps 4 x 4 texels of 4 latent channels; threestudio's
    textured-background.
    """

    @dataclass(frozen=True)
    class Config:
        height: Pixels = 16  # rows of texels, from zenith to nadir
        width: Pixels = 32  # columns of texels, once around
        channels: Channels = 3  # 3: colour; another number: that many latent channels

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return Capabilities(latent_channels=0 if config.channels == 3 else config.channels)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.texels = nn.Parameter(torch.zeros(config.height, config.width, config.channels))

    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        return sample_panorama(torch.sigmoid(self.texels)[None], directions)

    def latents(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W C"]:
        return sample_panorama(self.texels[None], directions)

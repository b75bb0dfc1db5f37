"""The contract of a background."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from maquette.config.capabilities import Capabilities
from maquette.randomness import Draws


class Background(nn.Module, ABC):
    """Colour by viewing direction, or latents behind a material that produces latents.

    Args:
        config: an instance of the class's Config.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.latent_channels = self.capabilities(config).latent_channels

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Number of latent channels that it produces; 0: it produces colour."""
        return Capabilities()

    @abstractmethod
    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        """Colours in [0, 1] for unit directions; `draws` is None outside training."""

    def latents(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W C"]:
        """Latents of a latent diffusion model, C = `latent_channels`; only for backgrounds where that is not 0."""
        raise TypeError(f"{type(self).__name__} draws no latents")


def uniform_by_group(draws: Draws, count: int, numbers: int, views: int) -> Float[Tensor, "B n"]:
    """Uniform random numbers for each of `count` pictures, equal within groups of `views` consecutive ones."""
    groups = math.ceil(count / views)
    return draws.uniform("background", groups, numbers).repeat_interleave(views, dim=0)[:count]

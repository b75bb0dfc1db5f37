"""The contract of a background."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor, nn

from maquette.randomness import Draws


class Background(nn.Module):
    """Colour by viewing direction, or latents behind a material that draws those."""

    latent_channels: int = 0  # of the latents that `latents` gives; 0: the background is colour

    def forward(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W 3"]:
        """Colours in [0, 1] for unit directions; `draws` is None outside training."""
        raise NotImplementedError

    def latents(self, directions: Float[Tensor, "B H W 3"], draws: Draws | None) -> Float[Tensor, "B H W C"]:
        """What a latent diffusion model denoises, C = `latent_channels`; only where that is not 0."""
        raise NotImplementedError


def uniform_by_group(draws: Draws, count: int, numbers: int, views: int) -> Float[Tensor, "B n"]:
    """Uniform numbers for each of `count` pictures, the same for every `views` consecutive ones."""
    groups = math.ceil(count / views)
    return draws.uniform("background", groups, numbers).repeat_interleave(views, dim=0)[:count]

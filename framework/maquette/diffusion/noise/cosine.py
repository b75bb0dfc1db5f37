"""The cosine noise process of pixel-space models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.diffusion.noise.base import NoiseProcess
from maquette.registry import register

OFFSET = 0.008  # s
LARGEST_BETA = 0.999


@register("noise", "cosine")
class Cosine(NoiseProcess):
    """The cosine process of pixel-space models, with beta at most 0.999.

    Source: Nichol & Dhariwal 2021 (arXiv 2102.09672), eq. 17, offset 0.008.
    """

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def alphas_cumprod(self, own: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
        return cosine_levels(len(own)).to(own)


def cosine_levels(timesteps: int) -> Float[Tensor, " T"]:
    """alpha_t^2 of the cosine process, float64.

    Example:
        >>> cosine_levels(1000)[[0, -1]]
        tensor([9.9996e-01, 2.4288e-09], dtype=torch.float64)
    """
    fraction = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
    alpha_bar = torch.cos((fraction + OFFSET) / (1 + OFFSET) * math.pi / 2).square()
    return (1 - (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=LARGEST_BETA)).cumprod(0)

"""The noise process of Stable Diffusion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.diffusion.noise.base import NoiseProcess
from maquette.registry import register

SCALED_LINEAR_BETAS = (0.00085, 0.012)  # first and last beta of Stable Diffusion and the models that descend from it


@register("noise", "scaled-linear")
class ScaledLinear(NoiseProcess):
    """The process of Stable Diffusion: roots of beta in even steps from 0.00085 to 0.012.

    Source: Rombach et al. 2022 (arXiv 2112.10752); the values from its code.
    """

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def alphas_cumprod(self, own: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
        return scaled_linear_levels(len(own)).to(own)


def scaled_linear_levels(timesteps: int) -> Float[Tensor, " T"]:
    """alpha_t^2 of Stable Diffusion's process, float64.

    Example:
        >>> scaled_linear_levels(1000)[[0, -1]]
        tensor([0.9991, 0.0047], dtype=torch.float64)
    """
    first, last = (math.sqrt(beta) for beta in SCALED_LINEAR_BETAS)
    return (1 - torch.linspace(first, last, timesteps, dtype=torch.float64).square()).cumprod(0)

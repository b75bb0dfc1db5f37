"""A prior's noise process with another ratio of signal to noise."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Positive
from maquette.diffusion.noise.base import NoiseProcess
from maquette.registry import register


@register("noise", "shifted")
class Shifted(NoiseProcess):
    """The prior's own process with the signal-to-noise ratio alpha^2 / sigma^2 of every timestep times a factor.

    Pictures of k times the side need a factor of 1 / k^2 for the same noise in what neighbouring pixels share.

    Source: Hoogeboom et al. 2023 (simple diffusion, arXiv 2301.11093), sec. 3.1.
    """

    @dataclass(frozen=True)
    class Config:
        factor: Positive = 0.25  # of the signal-to-noise ratio; below 1 there is more noise at the same timestep

    def __init__(self, config: Config) -> None:
        self.config = config

    def alphas_cumprod(self, own: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
        signal = self.config.factor * own.double()
        return (signal / (1 - own.double() + signal)).to(own)

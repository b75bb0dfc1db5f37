"""A prior's noise process rescaled so that no signal is left at its end."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.diffusion.noise.base import NoiseProcess
from maquette.registry import register


@register("noise", "zero-terminal-snr")
class ZeroTerminalSNR(NoiseProcess):
    """The prior's own process with alpha shifted and scaled, so that it ends at 0 and begins where it did.

    Source: Lin et al. 2023 (arXiv 2305.08891), alg. 1.
    """

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def alphas_cumprod(self, own: Float[Tensor, " T"]) -> Float[Tensor, " T"]:
        alpha = own.double().sqrt()
        scaled = (alpha - alpha[-1]) * (alpha[0] / (alpha[0] - alpha[-1]))
        return scaled.square().to(own)

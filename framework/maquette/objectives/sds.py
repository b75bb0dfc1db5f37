"""Score distillation sampling (SDS)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from maquette.objectives.base import GradientObjective, GradientObjectiveConfig, add_noise, timestep_weight
from maquette.randomness import Moment
from maquette.registry import register
from maquette.scores.denoiser import Denoiser


@register("objective", "sds")
class SDS(GradientObjective):
    """Score distillation sampling: gradient w(t) (e_hat(z_t; y, t) - e) d z / d theta, without the denoiser's Jacobian.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), eq. 3; static thresholding (`threshold`), which keeps
    predictions at large guidance scales within the range of colours: Saharia et al. 2022 (Imagen, arXiv 2205.11487),
    sec. 2.3.
    """

    @dataclass(frozen=True)
    class Config(GradientObjectiveConfig):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c = self.config
        z = add_noise(denoiser.prior, clean, c.timesteps, moment)
        residual = denoiser.noise(z.latents, z.t, z.noise) - z.noise
        return timestep_weight(c.weighting, z.alpha, z.sigma) * residual, z.t

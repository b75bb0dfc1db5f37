"""Score distillation sampling."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from maquette.objectives.base import Pull, PullConfig, add_noise, weigh
from maquette.randomness import Moment
from maquette.registry import register
from maquette.scores.denoiser import Denoiser


@register("objective", "sds")
class SDS(Pull):
    """Gradient w(t) (e_hat(z_t; y, t) - e) d z / d theta, without the denoiser's Jacobian.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), eq. 3; static thresholding, which keeps large guidance
    scales from asking for colours that do not exist: Saharia et al. 2022 (Imagen, arXiv 2205.11487), sec. 2.3.
    """

    @dataclass(frozen=True)
    class Config(PullConfig):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c = self.config
        z = add_noise(denoiser.prior, clean, c.timesteps, moment)
        residual = denoiser.noise(z.latents, z.t, z.noise) - z.noise
        return weigh(c.weighting, z.alpha, z.sigma) * residual, z.t

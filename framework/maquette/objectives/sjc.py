"""Score Jacobian chaining (SJC)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from maquette.config.parts import TimestepsSpec, part_field
from maquette.config.schedules import Schedule
from maquette.objectives.base import GradientObjective, GradientObjectiveConfig, Weighting, add_noise, timestep_weight
from maquette.randomness import Moment
from maquette.registry import register
from maquette.scores.denoiser import Denoiser


@register("objective", "sjc")
class SJC(GradientObjective):
    """Score Jacobian chaining: the perturb-and-average score (D(x + s n; s) - x) / s, over noise n and levels s.

    D is a variance-exploding denoiser. A variance-preserving model is one with s = sigma_t / alpha_t and
    D(y; s) = y - s e_hat(alpha_t y). Without variance reduction the noisy x + s n replaces x in the difference, which
    has the same mean. With it, the gradient is that of `sds` with w = 1.

    Source: Wang et al. 2022 (SJC, arXiv 2212.00774), sec. 4; noise levels and variance reduction as in its code.
    """

    @dataclass(frozen=True)
    class Config(GradientObjectiveConfig):
        timesteps: TimestepsSpec = part_field(  # all of 1,000 but the 10 lowest and the 30 highest
            "timesteps", "uniform", low=Schedule.constant(0.01), high=Schedule.constant(0.969)
        )
        weighting: Weighting = "uniform"
        variance_reduction: bool = True  # the gradient starts at the clean picture instead of the noisy one

    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c = self.config
        z = add_noise(denoiser.prior, clean, c.timesteps, moment)
        sigma_ve = z.sigma / z.alpha
        perturbed = z.latents / z.alpha
        denoised = perturbed - sigma_ve * denoiser.noise(z.latents, z.t, z.noise)
        start = clean if c.variance_reduction else perturbed
        return timestep_weight(c.weighting, z.alpha, z.sigma) * (start - denoised) / sigma_ve, z.t

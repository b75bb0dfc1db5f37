"""Score distillation via inversion (SDI)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import Count, Fraction
from maquette.config.parts import ScoreSpec, TimestepsSpec, part_field
from maquette.config.schedules import Schedule
from maquette.diffusion.ddim import ddim_alpha_sigma, invert
from maquette.diffusion.timesteps.base import has_several_levels
from maquette.objectives._inversion import InversionObjective
from maquette.objectives.base import (
    GradientObjectiveConfig,
    Weighting,
    draw_timesteps,
    timestep_weight,
)
from maquette.randomness import Moment
from maquette.registry import register
from maquette.scores.denoiser import Denoiser

FALLING = Schedule(((0, 0.98), ("100%", 0.02)))


@register("objective", "sdi")
class SDI(InversionObjective):
    """SDS with noise k from DDIM inversion of the rendering: gradient w(t) (e_hat(alpha z + sigma k; y, t) - k).

    The inversion runs from z to a timestep a little above t, with a negative guidance scale:
    k = (z_(t + tau) - alpha z) / sigma, tau uniform within one stride. Timesteps fall linearly.

    Source: Lukoianov et al. 2024 (SDI, arXiv 2405.15891), sec. 4; scales, steps, eta and w = sigma / alpha from its
    code.
    """

    @dataclass(frozen=True)
    class Config(GradientObjectiveConfig):
        timesteps: TimestepsSpec = part_field("timesteps", "uniform", low=FALLING, high=FALLING)
        weighting: Weighting = "x0"
        inversion: ScoreSpec = part_field("score", "cfg", scale=-7.5, base="text")  # score of the inversion
        steps: Count = 10  # n, of an inversion over all timesteps
        eta: Fraction = 0.3  # eta of the inversion: 0 is DDIM, 1 has the noise of ancestral sampling

    config: Config

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c, prior = self.config, denoiser.prior
        num_timesteps = prior.noise_schedule.timesteps
        t = draw_timesteps(prior, len(clean), c.timesteps, moment)
        stride = max(num_timesteps // c.steps, 1)
        tau = moment.draws.integers("tau", 0, stride - 1, len(clean) if has_several_levels(c.timesteps) else 1).to(t)
        above = (t + tau).clamp(min=1, max=num_timesteps - 1)
        inverted = invert(denoiser.with_score(self._inversion), clean, above, stride, c.eta, moment.draws)
        alpha_above, sigma_above = ddim_alpha_sigma(prior.noise_schedule, above)
        noise = (inverted - alpha_above * clean) / sigma_above
        alpha, sigma = prior.noise_schedule.alpha_sigma(t)
        residual = denoiser.noise(alpha * clean + sigma * noise, t, noise) - noise
        return timestep_weight(c.weighting, alpha, sigma) * residual, t

"""Interval score matching (LucidDreamer)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import Fraction, Range
from maquette.config.parts import ScoreSpec, TimestepsSpec, part_field
from maquette.config.schedules import Schedule
from maquette.diffusion.ddim import ddim_alpha_sigma, ddim_step, invert
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


@register("objective", "ism")
class ISM(InversionObjective):
    """Interval score matching: gradient w(t) (e_hat(z_t; y, t) - e(z_s; s)) along one DDIM inversion of the rendering.

    s = t - interval. The inversion from z to z_s, in larger strides, and the one step from z_s to z_t are without text,
    and so is e(z_s; s), which that step predicts anyway.

    Source: Liang et al. 2023 (LucidDreamer, arXiv 2311.11284), sec. 3.2; strides, w = sigma / alpha and the
    narrowing range of timesteps from its code.
    """

    @dataclass(frozen=True)
    class Config(GradientObjectiveConfig):
        timesteps: TimestepsSpec = part_field("timesteps", "uniform", high=Schedule(((0, 0.98), ("30%", 0.5))))
        weighting: Weighting = "x0"
        interval: Annotated[Schedule, Range(0, 1)] = Schedule(
            ((0, 0.1), ("30%", 0.05))
        )  # delta_T: t - s, as a fraction of the timesteps
        stride: Fraction = 0.2  # delta_S: stride of the inversion up to s, as a fraction of the timesteps
        inversion: ScoreSpec = part_field("score", "weighted", weights={"unconditional": 1.0})  # score of the inversion

        def __post_init__(self) -> None:
            if 0 in (self.stride, *(value for _, value in self.interval.points)):
                raise ValueError("interval and stride are fractions of the timesteps above 0")

    config: Config

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c, prior = self.config, denoiser.prior
        num_timesteps = prior.noise_schedule.timesteps
        unconditional = denoiser.with_score(self._inversion)
        t = draw_timesteps(prior, len(clean), c.timesteps, moment)
        s = (t - max(round(c.interval.at(moment) * num_timesteps), 1)).clamp(min=0)
        below = invert(unconditional, clean, s, max(round(c.stride * num_timesteps), 1))
        noise = unconditional.noise(below, s)
        noisy = ddim_step(below, noise, *(ddim_alpha_sigma(prior.noise_schedule, stop) for stop in (s, t)))
        residual = denoiser.noise(noisy, t, noise) - noise
        return timestep_weight(c.weighting, *prior.noise_schedule.alpha_sigma(t)) * residual, t

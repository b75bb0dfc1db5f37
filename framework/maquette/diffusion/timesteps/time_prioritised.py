"""Timesteps that fall slower where the noise level matters more."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from maquette.annotations import Fraction, Positive
from maquette.config.capabilities import ONE_NOISE_LEVEL, Capabilities
from maquette.diffusion.noise import NoiseSchedule
from maquette.diffusion.timesteps.base import TimestepRange, TimestepSchedule
from maquette.randomness import Moment
from maquette.registry import register


@register("timesteps", "time-prioritised")
class TimePrioritised(TimestepSchedule):
    """Timesteps from the upper to the lower end of the range, slower where the weight W(t) is large.

    The fraction of the sum of W above t is the progress, with W(t) = sigma_t / alpha_t exp(-(t / T - m)^2 / (2 s^2)).

    Source: Huang et al. 2024 (DreamTime, arXiv 2306.12422, version 2), with m = 500 and s = 125 of T = 1000.
    """

    @dataclass(frozen=True)
    class Config(TimestepRange):
        centre: Fraction = 0.5  # m, as a fraction of T
        width: Positive = 0.125  # s, as a fraction of T

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return Capabilities().giving(ONE_NOISE_LEVEL)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, moment: Moment, schedule: NoiseSchedule) -> Int[Tensor, " B"]:
        first, last = self.config.timesteps(moment, schedule.timesteps)
        t = torch.arange(first, last + 1)
        alpha, sigma = (values.double().cpu().flatten() for values in schedule.alpha_sigma(t))
        distance = (t / schedule.timesteps - self.config.centre) / self.config.width
        weight = sigma / alpha * torch.exp(-distance.square() / 2)
        above = weight.flip(0).cumsum(0).flip(0) / weight.sum()
        return torch.full((count,), first + int((above - moment.progress).abs().argmin()))

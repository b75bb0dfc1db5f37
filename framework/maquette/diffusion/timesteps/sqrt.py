"""Timesteps that fall with the square root of the progress."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from maquette.config.capabilities import ONE_NOISE_LEVEL, Capabilities
from maquette.diffusion.noise import NoiseSchedule
from maquette.diffusion.timesteps.base import TimestepRange, TimestepSchedule
from maquette.randomness import Moment
from maquette.registry import register


@register("timesteps", "sqrt")
class Sqrt(TimestepSchedule):
    """Timesteps from the upper to the lower end of the range with the square root of the progress.

    Source: Zhu et al. 2023 (HiFA, arXiv 2305.18766), eq. 8.
    """

    @dataclass(frozen=True)
    class Config(TimestepRange):
        pass

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return Capabilities().giving(ONE_NOISE_LEVEL)

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, moment: Moment, schedule: NoiseSchedule) -> Int[Tensor, " B"]:
        low, high = self.config.low.at(moment), self.config.high.at(moment)
        t = int((high - (high - low) * math.sqrt(moment.progress)) * schedule.timesteps)
        return torch.full((count,), min(t, schedule.timesteps - 1))

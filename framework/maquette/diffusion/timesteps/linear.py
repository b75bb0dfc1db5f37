"""Timesteps that fall linearly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from maquette.config.capabilities import ONE_NOISE_LEVEL, Capabilities
from maquette.diffusion.noise import NoiseSchedule
from maquette.diffusion.timesteps.base import TimestepRange, TimestepSchedule
from maquette.randomness import Moment
from maquette.registry import register


@register("timesteps", "linear")
class Linear(TimestepSchedule):
    """Timesteps T (1 - p) of the progress p, held between the ends of the range.

    Source: the code of Tang et al. 2023 (DreamGaussian, arXiv 2309.16653).
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
        t = round(min(max(1 - moment.progress, low), high) * schedule.timesteps)
        return torch.full((count,), min(t, schedule.timesteps - 1))

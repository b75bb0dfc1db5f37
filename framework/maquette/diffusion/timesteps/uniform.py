"""Timesteps drawn uniformly from a range."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from maquette.config.capabilities import ONE_NOISE_LEVEL, Capabilities
from maquette.diffusion.noise import NoiseSchedule
from maquette.diffusion.timesteps.base import TimestepRange, TimestepSchedule
from maquette.randomness import Moment
from maquette.registry import register


@register("timesteps", "uniform")
class Uniform(TimestepSchedule):
    """Uniformly random timesteps between the ends of the range, both included.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), sec. 3.
    """

    @dataclass(frozen=True)
    class Config(TimestepRange):
        shared: bool = False  # one timestep for all pictures of a step, as multi-view priors need

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return Capabilities().giving(*([ONE_NOISE_LEVEL] if config.shared else []))

    def __init__(self, config: Config) -> None:
        self.config = config

    def draw(self, count: int, moment: Moment, schedule: NoiseSchedule) -> Int[Tensor, " B"]:
        first, last = self.config.timesteps(moment, schedule.timesteps)
        return moment.draws.integers("timestep", first, last, 1 if self.config.shared else count).expand(count)

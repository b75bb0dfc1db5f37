"""Sampling of timesteps for the steps of an optimisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from maquette.annotations import Fraction, Positive
from maquette.config.schedules import FractionSchedule, Schedule
from maquette.diffusion.noise import NoiseSchedule
from maquette.randomness import Moment


@dataclass(frozen=True)
class Timesteps:
    """How timesteps are chosen at each step, from a range given in fractions of T.

    Both ends of the range are schedules, so that it can anneal. The kinds are

        uniform: random between the ends, for each picture;
        sqrt: from the upper to the lower end with the square root of the progress p;
        linear: 1 - p, held between the ends;
        time-prioritised: from the upper to the lower end, slower where the weight W(t) is large: the fraction of the
            sum of W above t is p, with W(t) = sigma_t / alpha_t exp(-(t / T - m)^2 / (2 s^2)).

    Source: uniform, Poole et al. 2022 (arXiv 2209.14988), sec. 3; sqrt, Zhu et al. 2023 (HiFA, arXiv 2305.18766),
    eq. 8; linear, the code of Tang et al. 2023 (DreamGaussian, arXiv 2309.16653); time-prioritised, Huang et al. 2024
    (DreamTime, arXiv 2306.12422, version 2), with m = 500 and s = 125 of T = 1000.
    """

    kind: Literal["uniform", "sqrt", "linear", "time-prioritised"] = "uniform"
    low: FractionSchedule = Schedule.constant(0.02)
    high: FractionSchedule = Schedule.constant(0.98)
    shared: bool = False  # one timestep for all pictures of a step, as multi-view priors need
    centre: Fraction = 0.5  # m, of time-prioritised
    width: Positive = 0.125  # s, of time-prioritised

    def __post_init__(self) -> None:
        constant = len(self.low.points) == len(self.high.points) == 1
        if constant and self.low.points[0][1] > self.high.points[0][1]:
            raise ValueError(f"low ({self.low.points[0][1]:g}) lies above high ({self.high.points[0][1]:g})")

    @property
    def same_for_all(self) -> bool:
        """Whether all pictures of a step always have the same timestep."""
        return self.shared or self.kind != "uniform"

    def draw(
        self,
        count: int,
        moment: Moment,
        schedule: NoiseSchedule,
    ) -> Int[Tensor, " B"]:
        """`count` timesteps in [0, T), both ends of the range included.

        Args:
            count: number of pictures, B.
            moment: the step of the optimisation.
            schedule: the model's noise process; only time-prioritised uses more of it than T.
        """
        num_timesteps = schedule.timesteps
        low, high = self.low.at(moment), self.high.at(moment)
        first, last = int(low * num_timesteps), min(int(high * num_timesteps), num_timesteps - 1)
        progress = moment.progress
        if self.kind == "uniform":
            t = moment.draws.integers("timestep", first, max(first, last), 1 if self.shared else count)
            return t.expand(count)
        if self.kind == "sqrt":
            timestep = int((high - (high - low) * math.sqrt(progress)) * num_timesteps)
        elif self.kind == "linear":
            timestep = round(min(max(1 - progress, low), high) * num_timesteps)
        else:
            timestep = self._prioritised(schedule, first, max(first, last), progress)
        return torch.full((count,), min(timestep, num_timesteps - 1))

    def _prioritised(self, schedule: NoiseSchedule, first: int, last: int, progress: float) -> int:
        """The timestep in [first, last] above which the fraction of the sum of W is nearest to `progress`."""
        t = torch.arange(first, last + 1)
        alpha, sigma = (values.double().cpu().flatten() for values in schedule.alpha_sigma(t))
        distance = (t / schedule.timesteps - self.centre) / self.width
        weight = sigma / alpha * torch.exp(-distance.square() / 2)
        above = weight.flip(0).cumsum(0).flip(0) / weight.sum()
        return first + int((above - progress).abs().argmin())

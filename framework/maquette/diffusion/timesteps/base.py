"""The contract of a timestep schedule, and the range that the built-in ones share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from jaxtyping import Int
from torch import Tensor

from maquette.config.capabilities import ONE_NOISE_LEVEL, Capabilities
from maquette.config.parts import PartSpec, UnreadPart
from maquette.config.schedules import FractionSchedule, Schedule
from maquette.diffusion.noise import NoiseSchedule
from maquette.randomness import Moment


class TimestepSchedule(ABC):
    """A part of the kind `timesteps`: the timesteps at which a step of an optimisation noises its pictures.

    It is a function of the moment: what it draws comes from `moment.draws`, and nothing is remembered between steps.
    """

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """It gives ONE_NOISE_LEVEL if all pictures of a step always have the same timestep."""
        return Capabilities()

    @abstractmethod
    def draw(self, count: int, moment: Moment, schedule: NoiseSchedule) -> Int[Tensor, " B"]:
        """`count` timesteps in [0, T), on the CPU.

        Args:
            count: number of pictures, B.
            moment: the step of the optimisation.
            schedule: the model's noise process; T is its number of timesteps.
        """


@dataclass(frozen=True)
class TimestepRange:
    """The range of a timestep schedule in fractions of T. Both ends are schedules, so that it can anneal."""

    low: FractionSchedule = Schedule.constant(0.02)  # lower end, as a fraction of T
    high: FractionSchedule = Schedule.constant(0.98)  # upper end, as a fraction of T

    def __post_init__(self) -> None:
        constant = len(self.low.points) == len(self.high.points) == 1
        if constant and self.low.points[0][1] > self.high.points[0][1]:
            raise ValueError(f"low ({self.low.points[0][1]:g}) lies above high ({self.high.points[0][1]:g})")

    def timesteps(self, moment: Moment, total: int) -> tuple[int, int]:
        """First and last of `total` timesteps in the range at a step, with first <= last."""
        first = min(int(self.low.at(moment) * total), total - 1)
        return first, max(first, min(int(self.high.at(moment) * total), total - 1))


def has_several_levels(timesteps: PartSpec) -> bool:
    """Whether the pictures of one step may have different timesteps; no, of a local part that is not imported."""
    return timesteps.cls is not UnreadPart and ONE_NOISE_LEVEL not in timesteps.capabilities.gives

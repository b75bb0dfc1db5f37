"""A straight line on a logarithmic scale."""

from __future__ import annotations

from dataclasses import dataclass

from maquette.config.schedules.base import ScheduleShape
from maquette.registry import register


@register("schedule", "exponential")
class Exponential(ScheduleShape):
    """A straight line on a logarithmic scale: equal factors in equal times, between positive values."""

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, progress: float) -> float:
        return progress

    def between(self, first: float, last: float, weight: float) -> float:
        return first * (last / first) ** weight

    def check_ends(self, first: float, last: float) -> None:
        if min(first, last) <= 0:
            raise ValueError("an exponential schedule needs positive values")

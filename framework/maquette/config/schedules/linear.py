"""A straight line."""

from __future__ import annotations

from dataclasses import dataclass

from maquette.config.schedules.base import ScheduleShape
from maquette.registry import register


@register("schedule", "linear")
class Linear(ScheduleShape):
    """A straight line: the weight is the progress."""

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, progress: float) -> float:
        return progress

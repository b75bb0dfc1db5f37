"""A step."""

from __future__ import annotations

from dataclasses import dataclass

from maquette.config.schedules.base import ScheduleShape
from maquette.registry import register


@register("schedule", "step")
class Step(ScheduleShape):
    """A step: the first value until the end, and then the last."""

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, progress: float) -> float:
        return 0.0

"""Half a period of a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from maquette.config.schedules.base import ScheduleShape
from maquette.registry import register


@register("schedule", "cosine")
class Cosine(ScheduleShape):
    """Half a period of a cosine, flat at both ends: the weight is (1 - cos(pi p)) / 2."""

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, progress: float) -> float:
        return (1 - math.cos(math.pi * progress)) / 2

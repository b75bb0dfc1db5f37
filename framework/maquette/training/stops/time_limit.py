"""The end of a loop after some time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maquette.annotations import Positive
from maquette.registry import register
from maquette.training.stops.base import StepFigures, Stop


@register("stop", "time-limit")
class TimeLimit(Stop):
    """The end when the steps have taken a given time, those before an interruption included.

    The number of steps then depends on the machine, and so do the results. What comes between steps does not count:
    previews, checkpoints, callbacks, a viewer.
    """

    @dataclass(frozen=True)
    class Config:
        minutes: Positive = 60.0  # wall time of all steps together

    def __init__(self, config: Config) -> None:
        self.config = config
        self._seconds = 0.0

    def reason(self, figures: StepFigures) -> str:
        self._seconds += figures.seconds
        if self._seconds < 60 * self.config.minutes:
            return ""
        return f"its steps have taken {self._seconds / 60:.4g} minutes, and the limit is {self.config.minutes:g}"

    def state(self) -> Mapping[str, Any]:
        return {"seconds": self._seconds}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._seconds = state["seconds"]

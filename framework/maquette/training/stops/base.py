"""The contract of a stopping criterion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StepFigures:
    """What is known of a step.

    Args:
        done: steps done, this one included.
        total: steps of the stage.
        values: `loss`, `loss/TERM`, what losses and objectives log, `gradient_norm` and `lr`.
        seconds: wall time of the step.
    """

    done: int
    total: int
    values: Mapping[str, float]
    seconds: float


class Stop(ABC):
    """A part of the kind `stop`: says after a step whether the loop ends there.

    It decides by the figures of the steps alone, so that a resumed run decides as one that did not stop: it draws
    nothing and reads no clock, and what it remembers is in `state`. Schedules and previews go by the stage's `steps`,
    whether it takes all of them or not.
    """

    @abstractmethod
    def reason(self, figures: StepFigures) -> str:
        """Why the loop ends after this step, in one line; "": it goes on. Called once a step, in their order."""

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint keeps, as JSON: texts, numbers, lists and mappings."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027, a criterion may remember nothing
        """Take back what `state` gave."""

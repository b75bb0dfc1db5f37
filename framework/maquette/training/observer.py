"""The hook through which a viewer looks at a task between its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from maquette.training.task import Task


@dataclass(frozen=True)
class Interlude:
    """The moment between two steps.

    Args:
        stage: the stage's name.
        task: what is trained, in the state after `done` steps.
        done: steps done.
        total: steps of the stage.
        step_seconds: wall time of the step before; 0 before the first.
        stopping: whether the user has asked the run to stop; an observer that waits asks it again and again.
        note: writes what the observer did into the metrics, as values of the step that follows.
    """

    stage: str
    task: Task
    done: int
    total: int
    step_seconds: float
    stopping: Callable[[], bool]
    note: Callable[[dict[str, float]], None]


class Observer(Protocol):
    """Is called before a loop's first step and after each one, in the thread of the loop.

    What it does there must leave random states alone, so that a run has the same bits with and without it.
    """

    def between_steps(self, interlude: Interlude) -> None:
        """Look at the task; the next step begins when this returns."""

    def record(self) -> list[dict[str, Any]]:
        """What it changed of the task so far, for the manifest; empty if it only looked."""

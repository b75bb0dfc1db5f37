"""The contract of a callback, and what a loop tells it."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.scene import Scene
from maquette.training.task import Task


@dataclass(frozen=True)
class LoopState:
    """A loop between two steps.

    Args:
        stage: the stage's name.
        task: what is trained, in the state after `done` steps.
        done: steps done.
        total: steps of the stage.
        folder: for the callback's files, in the run folder; it need not exist yet.
        log: writes numbers into metrics.jsonl and to the tracker, for the latest step.
    """

    stage: str
    task: Task
    done: int
    total: int
    folder: Path
    log: Callable[[Mapping[str, float]], None]

    @property
    def scene(self) -> Scene | None:
        """The scene that is optimised; None: the task trains something else."""
        scene = getattr(self.task, "scene", None)
        return scene if isinstance(scene, Scene) else None


class Callback(ABC):  # noqa: B024, each of its methods is optional
    """A part of the kind `callback`: is called at a loop's start, after its steps, before checkpoints and at its end.

    It only looks. It runs without gradients; the random states are restored behind it, with a warning if it changed
    them, so that a run has the same bits with and without it. An exception ends the run with a line that names it.
    What it remembers between calls is in `state`, so that a resumed run goes on as if it had not stopped.
    """

    @classmethod
    def lacks(cls) -> list[str]:
        """What a subclass lacks to be registered."""
        hooks = ("on_start", "on_step", "on_checkpoint", "on_end")
        called = any(getattr(cls, hook) is not getattr(Callback, hook) for hook in hooks)
        return [] if called else [f"one of the methods {', '.join(hooks)}"]

    def on_start(self, loop: LoopState) -> None:  # noqa: B027, each is optional
        """Before the first step, also of a resumed run, whose state has been given back."""

    def on_step(self, loop: LoopState, values: Mapping[str, float]) -> None:  # noqa: B027
        """After each step that changed the parameters.

        Args:
            loop: the state after the step.
            values: `loss`, `loss/TERM`, what losses and objectives log, `gradient_norm`, `lr` and `step_seconds`.
        """

    def on_checkpoint(self, loop: LoopState) -> None:  # noqa: B027
        """Before a checkpoint is written, the last one included."""

    def on_end(self, loop: LoopState, reason: str) -> None:  # noqa: B027
        """After the last step and its checkpoint; not where a signal or an error stops the run.

        Args:
            loop: the state after the last step.
            reason: why the loop ended early; "": it took all its steps.
        """

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint keeps, as JSON: texts, numbers, lists and mappings."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Take back what `state` gave."""

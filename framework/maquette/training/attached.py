"""The callbacks and stopping criteria of a loop: called in order, named where they fail, kept in checkpoints."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from maquette import plugins
from maquette.config.parts import PartSpec, plain
from maquette.errors import RunError
from maquette.plugins.states import guard_states, restore_states
from maquette.training.callbacks.base import Callback, LoopState
from maquette.training.metrics_log import MetricsLog
from maquette.training.settings import LoopConfig
from maquette.training.stepper import Step
from maquette.training.stops.base import StepFigures, Stop
from maquette.training.task import Task
from maquette.training.timings import Timings

_log = logging.getLogger(__name__)


class Attached:
    """The callbacks and stopping criteria of one loop.

    Args:
        config: names them.
        stage: the stage's name.
        task: what the loop trains.
        total: its steps.
        folder: for the files of callbacks, one folder each.
        log: takes what callbacks log.
        timings: adds up their time.

    Attributes:
        ended: why the loop ended early; "": it did not.
    """

    def __init__(
        self, config: LoopConfig, stage: str, task: Task, total: int, folder: Path, log: MetricsLog, timings: Timings
    ) -> None:
        self._stage, self._task, self._total, self._folder, self._log = stage, task, total, folder, log
        self._timings = timings
        self._specs = {"callbacks": config.callbacks, "stop": config.stop}
        self._parts: dict[str, dict[str, Any]] = {
            key: {name: spec.build() for name, spec in specs.items()} for key, specs in self._specs.items()
        }
        self._warned = set[str]()
        self.ended = ""

    def start(self, done: int) -> None:
        """Tell callbacks that the loop begins or goes on after `done` steps."""
        self._call("on_start", done)

    def step(self, done: int, step: Step) -> str:
        """Tell of a step that changed the parameters; returns why the loop ends there, or ""."""
        if not any(self._parts.values()):
            return ""
        with self._timings.measure("callbacks"):
            return self._step(done, step)

    def _step(self, done: int, step: Step) -> str:
        values = {**step.values(), "lr": step.learning_rate}
        self._call("on_step", done, {**values, "step_seconds": step.seconds})
        criteria: Mapping[str, Stop] = self._parts["stop"]
        for name, criterion in criteria.items():
            with self._guarded("stop", name):
                reason = criterion.reason(StepFigures(done, self._total, values, step.seconds))
            if reason and not self.ended and done < self._total:
                self.ended = f"{name}: {reason}"
        return self.ended

    def checkpoint(self, done: int) -> None:
        """Tell callbacks that a checkpoint is about to be written."""
        self._call("on_checkpoint", done)

    def end(self, done: int) -> None:
        """Tell callbacks that the loop has ended."""
        self._call("on_end", done, self.ended)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of all of them, with their settings.

        Raises:
            RunError: the state of one is no JSON; names it.
        """
        state: dict[str, Any] = {"ended": self.ended}
        for key, parts in self._parts.items():
            state[key] = {}
            for name, part in parts.items():
                with self._guarded(key, name):
                    memory = dict(part.state())
                try:
                    state[key][name] = {"part": plain(self._specs[key][name]), "state": json.loads(json.dumps(memory))}
                except (TypeError, ValueError) as problem:
                    raise RunError(f"the state of {self._title(key, name)} is no JSON: {problem}") from None
        return state

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave; a part with other settings begins anew, as does a loop under other criteria."""
        for key, parts in self._parts.items():
            before = state.get(key, {})
            for name, part in parts.items():
                entry = before.get(name)
                if entry is not None and entry["part"] == self._plain(key)[name]:
                    with self._guarded(key, name):
                        part.load_state(entry["state"])
        settings = {name: entry["part"] for name, entry in state.get("stop", {}).items()}
        self.ended = state.get("ended", "") if settings == self._plain("stop") else ""

    def _plain(self, key: str) -> dict[str, Any]:
        return json.loads(json.dumps({name: plain(spec) for name, spec in self._specs[key].items()}))

    def _call(self, hook: str, done: int, *arguments: Any) -> None:
        callbacks: Mapping[str, Callback] = self._parts["callbacks"]
        for name, callback in callbacks.items():
            if getattr(type(callback), hook) is getattr(Callback, hook):
                continue
            loop = LoopState(self._stage, self._task, done, self._total, self._folder / name, self._writer(name, done))
            with self._guarded("callbacks", name), torch.no_grad():
                getattr(callback, hook)(loop, *arguments)

    def _writer(self, name: str, done: int) -> Callable[[Mapping[str, float]], None]:
        step = max(done - 1, 0)
        return lambda values: self._log.write(step, {f"{name}/{key}": float(value) for key, value in values.items()})

    @contextmanager
    def _guarded(self, key: str, name: str) -> Iterator[None]:
        """A block in which a part fails with its name and leaves the state of the process as it was."""
        spec: PartSpec = self._specs[key][name]
        before = guard_states()
        try:
            with plugins.naming(spec.kind, spec.name):
                yield
        finally:
            changed = restore_states(before)
        title = self._title(key, name)
        if changed and title not in self._warned:
            self._warned.add(title)
            _log.warning("%s changed %s; that is undone, now and after each step", title, " and ".join(changed))

    def _title(self, key: str, name: str) -> str:
        spec: PartSpec = self._specs[key][name]
        return f"{spec.kind} {spec.name!r} (stages.{self._stage}.loop.{key}.{name})"

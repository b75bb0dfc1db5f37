"""Procedures of what is attached to a training loop: callbacks and stopping criteria."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from maquette.config.schedules import Schedule
from maquette.testing import inputs
from maquette.testing.trial import Check, Fault, Output, Procedure, Situation, Trial, equal
from maquette.training.callbacks.base import LoopState
from maquette.training.stops.base import StepFigures
from maquette.training.task import ParameterGroup, Task

DONE, LOSSES, TOTAL = (1, 2, 3, 250, 500, 1000), (1.0, 0.2, 0.5, 0.6, 0.7, 0.8), 1000
"""Steps after which callbacks are called, and the loss at each."""
CUT = 3  # calls after which a callback is replaced by one that takes back its state
SECONDS, LAST, CUT_STEP = 30.0, 400, 50  # of a step; steps that criteria judge, and where one is replaced


class _SceneTask(Task):
    """A scene that is optimised, at rest."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = inputs.scene()

    def groups(self) -> list[ParameterGroup]:
        groups = self.scene.geometry.groups().items()
        return [ParameterGroup(name, parameters, Schedule.constant(0.01)) for name, parameters in groups]


Logged = list[tuple[int, dict[str, float]]]


def _logged(part: Any, task: Task, folder: Path, first: int = 0, last: int = len(DONE)) -> Logged:
    """What a callback logs at some of the steps."""
    logged: Logged = []

    def loop(done: int) -> LoopState:
        return LoopState("stage", task, done, TOTAL, folder, lambda values: logged.append((done, dict(values))))

    with torch.no_grad():
        part.on_start(loop(DONE[first - 1] if first else 0))
        for done, loss in list(zip(DONE, LOSSES, strict=True))[first:last]:
            values = {"loss": loss, "loss/rgb": loss, "gradient_norm": 0.5, "lr": 0.01, "step_seconds": 0.1}
            part.on_step(loop(done), values)
            part.on_checkpoint(loop(done))
        if last == len(DONE):
            part.on_end(loop(TOTAL), "")
    return logged


def _folder(trial: Trial, name: str) -> Path:
    """An empty folder for a callback's files, which it makes."""
    number = len(list(trial.folder.glob(f"{name}-*")))
    place = trial.folder / f"{name}-{number}"
    place.mkdir()
    return place / "files"


def _use_callback(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    folder = _folder(trial, "use")
    logged = _logged(part, _SceneTask(), folder)
    files = {str(path.relative_to(folder)): _hash(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    numbers = torch.tensor([value for _, values in logged for value in values.values()])
    return [Output("logged", logged), Output("logged numbers", numbers), Output("files", files)]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _looks_only(trial: Trial) -> None:
    task = _SceneTask()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    _logged(trial.build(), task, _folder(trial, "looks"))
    for name, value in task.state_dict().items():
        if not equal(before[name], value):
            raise Fault(f"it changes {name} of what is trained; a callback only looks")


def _resumed(trial: Trial, part: Any) -> Any:
    """A new part with the state of another, after its way through JSON."""
    other = trial.build()
    other.load_state(json.loads(json.dumps(dict(part.state()))))
    return other


def _callback_resumes(trial: Trial) -> None:
    task, part = _SceneTask(), trial.build()
    whole = _logged(trial.build(), task, _folder(trial, "whole"))
    early = _logged(part, task, _folder(trial, "early"), last=CUT)
    late = _logged(_resumed(trial, part), task, _folder(trial, "late"), first=CUT)
    if [*early, *late] != whole:
        raise Fault("after a stop it logs something else than without one; `state` keeps what it remembers")


CALLBACK = Procedure(
    _use_callback,
    minimum=12,
    checks=(
        Check("looks only", "what is trained is the same after it", _looks_only),
        Check("resumes", "with its state given back it goes on as if it had not stopped", _callback_resumes),
    ),
    skips={
        "batches": "it sees no batch", "nan": "it may log what is not finite",
        "stateless": "it may remember the steps before",
    },
)  # fmt: skip


def _figures(first: int = 1, last: int = LAST) -> Sequence[StepFigures]:
    """Steps whose loss falls to a floor at step 48."""
    losses = {done: max(1 - done / 50, 0.05) for done in range(first, last + 1)}
    return [
        StepFigures(done, LAST, {"loss": loss, "loss/rgb": loss, "gradient_norm": 0.5, "lr": 0.01}, SECONDS)
        for done, loss in losses.items()
    ]


def _end(part: Any, figures: Sequence[StepFigures]) -> tuple[int, Any]:
    """The step at which a criterion ends a loop, and why."""
    for step in figures:
        if reason := part.reason(step):
            return step.done, reason
    return LAST, ""


def _use_stop(trial: Trial, part: Any, situation: Situation) -> list[Output]:
    done, reason = _end(part, _figures())
    return [Output("step", done), Output("reason", reason)]


def _words(trial: Trial) -> None:
    part = trial.build()
    for figures in _figures():
        reason = part.reason(figures)
        if not isinstance(reason, str) or "\n" in reason:
            raise Fault(f"the reason at step {figures.done} is {reason!r}, and should be one line, or empty to go on")
        if reason:
            return


def _stop_resumes(trial: Trial) -> None:
    part = trial.build()
    whole, early = _end(trial.build(), _figures()), _end(part, _figures(last=CUT_STEP))
    if early[1]:
        return
    if (late := _end(_resumed(trial, part), _figures(CUT_STEP + 1))) != whole:
        raise Fault(f"after a stop it ends at step {late[0]}, and without one at {whole[0]}; `state` keeps its memory")


STOP = Procedure(
    _use_stop,
    minimum=9,
    checks=(
        Check("words", "its reason is one line, or empty", _words),
        Check("resumes", "with its state given back it decides as if it had not stopped", _stop_resumes),
    ),
    skips={
        "batches": "it sees no batch", "nan": "it is not asked about steps that are not finite",
        "stateless": "it may remember the steps before",
    },
)  # fmt: skip

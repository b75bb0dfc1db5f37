"""What a part leaves behind in the process that uses it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from maquette.plugins.states import State, guard_states, restore_states
from maquette.testing.trial import Fault, Trial


def check_leaves_nothing(trial: Trial) -> None:
    """Building and using a part changes no state of the process, prints nothing and writes no file; it may log."""
    printed = io.StringIO()
    with _own_folder(trial.folder / "scratch") as folder, _without_messages():
        before = _states(folder)
        with contextlib.redirect_stdout(printed):
            trial.fresh()
        changed = restore_states(before)
    if printed.getvalue().strip():
        changed.append("standard output")
    if changed:
        raise Fault(f"it changes {', '.join(changed)}")


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    previous = os.getcwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(previous)


@contextlib.contextmanager
def _without_messages() -> Iterator[None]:
    """Without the handlers of maquette's log: that of the command line prints messages to standard output."""
    logger = logging.getLogger("maquette")
    handlers = list(logger.handlers)
    logger.handlers.clear()
    try:
        yield
    finally:
        logger.handlers[:] = handlers


def _states(folder: Path) -> list[State]:
    """The states of the process that a part may not change; what cannot be restored has a `write` that does nothing."""

    def state(name: str, read: Callable[[], Any], write: Callable[[Any], Any] = lambda value: None) -> State:
        return State(name, read, write, read())

    return [
        *guard_states(),
        state("the gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
        state("the number of threads", torch.get_num_threads, torch.set_num_threads),
        state("the deterministic mode", torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
        state("the filters of warnings", lambda: len(warnings.filters)),
        state("the environment", lambda: dict(os.environ), _set_environment),
        state("the files of the working folder", lambda: sorted(str(path) for path in folder.rglob("*"))),
        state("the threads that go on", lambda: sorted(t.name for t in threading.enumerate() if not t.daemon)),
    ]


def _set_environment(value: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(value)

"""What a part leaves behind in the process that uses it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maquette.testing.trial import Fault, Trial


def check_leaves_nothing(trial: Trial) -> None:
    """Building and using a part changes no state of the process, prints nothing and writes no file."""
    printed = io.StringIO()
    with _own_folder(trial.folder / "scratch") as folder:
        before = _state(folder)
        with contextlib.redirect_stdout(printed):
            trial.fresh()
        after = _state(folder)
    _restore(before)
    changed = [name for name in before if not _same(before[name], after[name])]
    if printed.getvalue().strip():
        changed.append("standard output")
    if changed:
        raise Fault(f"it changes the {', the '.join(changed)}")


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    previous = os.getcwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(previous)


def _state(folder: Path) -> dict[str, Any]:
    root = logging.getLogger()
    return {
        "random state of torch": torch.get_rng_state(),
        "random state of NumPy": repr(np.random.get_state()),
        "random state of Python": random.getstate(),
        "default dtype": torch.get_default_dtype(),
        "default device": str(torch.get_default_device()),
        "gradient mode": torch.is_grad_enabled(),
        "number of threads": torch.get_num_threads(),
        "deterministic mode": torch.are_deterministic_algorithms_enabled(),
        "root logger": (root.level, tuple(map(id, root.handlers))),
        "filters of warnings": len(warnings.filters),
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "files of the working folder": sorted(str(path) for path in folder.rglob("*")),
        "threads that go on": sorted(t.name for t in threading.enumerate() if t.is_alive() and not t.daemon),
    }


def _restore(state: dict[str, Any]) -> None:
    setters: dict[str, Callable[[Any], Any]] = {
        "random state of torch": torch.set_rng_state,
        "random state of Python": random.setstate,
        "default dtype": torch.set_default_dtype,
        "gradient mode": torch.set_grad_enabled,
        "number of threads": torch.set_num_threads,
        "deterministic mode": torch.use_deterministic_algorithms,
    }
    for name, setter in setters.items():
        setter(state[name])
    root, (level, handlers) = logging.getLogger(), state["root logger"]
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if id(handler) not in handlers]:
        root.removeHandler(handler)
    os.environ.clear()
    os.environ.update(state["environment"])


def _same(a: Any, b: Any) -> bool:
    return bool(torch.equal(a, b)) if isinstance(a, torch.Tensor) else bool(a == b)

"""The state of the process that code of a plugin may not change: how it is read, compared and restored."""

from __future__ import annotations

import logging
import operator
import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class State:
    """One state of the process.

    Args:
        name: for messages.
        read, write: get and set it.
        same: whether two values of it are equal.
        value: the value to keep.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    value: Any
    same: Callable[[Any, Any], bool] = operator.eq


def guard_states() -> list[State]:
    """The present state: the root logger, the working folder, random states, and torch's defaults where it is loaded.

    Example:
        >>> import random
        >>> before = guard_states()
        >>> random.seed(3)
        >>> restore_states(before)
        ["Python's random state"]
    """
    states = [
        State("the root logger", _root_logger, _set_root_logger, _root_logger()),
        State("the working folder", _folder, os.chdir, _folder()),
        State("Python's random state", random.getstate, random.setstate, random.getstate()),
    ]
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and hasattr(numpy, "random"):
        generator = numpy.random
        states.append(
            State("numpy's random state", generator.get_state, generator.set_state, generator.get_state(), _same_numpy)
        )
    if torch is not None and hasattr(torch, "get_default_device"):
        states += [
            State("torch's random state", torch.get_rng_state, torch.set_rng_state, torch.get_rng_state(), torch.equal),
            *_torch_defaults(torch, torch.get_default_dtype(), torch.get_default_device()),
        ]
    return states


def restore_states(before: list[State]) -> list[str]:
    """Restore what has changed since `guard_states`; returns the names of it.

    Where torch was loaded since, its defaults are held to those that it begins with.
    """
    torch, names = sys.modules.get("torch"), {state.name for state in before}
    if torch is not None and hasattr(torch, "get_default_device") and "torch's random state" not in names:
        before = [*before, *_torch_defaults(torch, torch.float32, torch.device("cpu"))]
    changed = [state for state in before if not state.same(state.value, state.read())]
    for state in changed:
        state.write(state.value)
    return [state.name for state in changed]


def _torch_defaults(torch: Any, dtype: Any, device: Any) -> list[State]:
    def set_device(device: Any) -> None:
        torch.set_default_device(None if device.type == "cpu" else device)

    return [
        State("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype, dtype),
        State("torch's default device", torch.get_default_device, set_device, device),
    ]


def _root_logger() -> tuple[int, list[logging.Handler], list[Any], int]:
    root = logging.getLogger()
    return root.level, list(root.handlers), list(root.filters), root.manager.disable


def _set_root_logger(value: tuple[int, list[logging.Handler], list[Any], int]) -> None:
    root = logging.getLogger()
    root.setLevel(value[0])
    root.handlers[:], root.filters[:] = value[1], value[2]
    root.manager.disable = value[3]


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return os.sep


def _same_numpy(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return one[0] == other[0] and (one[1] == other[1]).all() and one[2:] == other[2:]

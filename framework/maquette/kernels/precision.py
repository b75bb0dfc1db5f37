"""Leaving autocast: under mixed precision networks compute in half precision, geometry does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

_HALF = (torch.float16, torch.bfloat16)


@contextmanager
def without_autocast() -> Iterator[None]:
    """Operations inside the block keep the precision of their inputs."""
    with ExitStack() as stack:
        for device in _autocasting():
            stack.enter_context(torch.autocast(device, enabled=False))
        yield


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """A function that, called under autocast, leaves it; its half-precision tensors become float32 first.

    Where nothing is autocast it is the function itself, so that a half-precision tensor handed over by mistake is
    still refused.

    Example:
        >>> product = in_float32(torch.matmul)
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     product(torch.ones(2, 2), torch.ones(2, 2)).dtype
        torch.float32
    """

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _autocasting():
            return function(*args, **kwargs)
        positional: Any = [_widened(value) for value in args]
        named: Any = {name: _widened(value) for name, value in kwargs.items()}
        with without_autocast():
            return function(*positional, **named)

    return wrapped


def _autocasting() -> list[str]:
    return [device for device in ("cpu", "cuda") if torch.is_autocast_enabled(device)]


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in _HALF else value

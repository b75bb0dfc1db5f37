"""Shared by all numba backends: compilation of kernels, conversion of tensors, number of threads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba
import torch
from torch import Tensor

from maquette.kernels import warm_up

_log = logging.getLogger(__name__)
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "boundscheck": False}


def kernel(function: Callable) -> Callable:
    """Compile a parallel kernel at its first call and keep it on disk.

    numba writes beside the source, or to the user's cache directory where the install is read-only, or to
    NUMBA_CACHE_DIR. Where none of them can be written the kernel is compiled anew in each process, and the log says so.
    numba's cache sees changes of the kernel's own file only, so the helpers of a kernel stand in the same file.
    """
    return cached(parallel=True, **_OPTIONS)(function)


def cached(**options: Any) -> Callable[[Callable], Callable]:
    """numba's `njit` with these options and a cache on disk, or without one where none can be written."""

    def compile_at_first_call(function: Callable) -> Callable:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator" not in str(error):
                raise
            _log.warning(
                "kernel %s is compiled anew in each process: no cache directory can be written; set NUMBA_CACHE_DIR",
                function.__name__,
            )
            return numba.njit(**options)(function)

    return compile_at_first_call


def helper(function: Callable) -> Callable:
    """Compile a function that only kernels call."""
    return numba.njit(**_OPTIONS)(function)


def launch(compiled: Callable, *arguments: Any) -> None:
    """Run a kernel on `threads()` threads; tensors go in as numpy views of the same memory.

    numba holds the interpreter lock meanwhile, so kernels called from several Python threads run one after the other.
    """
    torch_threads = torch.get_num_threads()
    numba.set_num_threads(threads())
    first = not compiled.signatures  # type: ignore[attr-defined]
    if first:
        warm_up.before_first_launch(compiled)
    compiled(*(_view(argument) for argument in arguments))
    if first:
        warm_up.after_first_launch(compiled)
    if torch.get_num_threads() != torch_threads:  # numba's first launch sets OpenMP's number, which may be torch's own
        torch.set_num_threads(torch_threads)


def threads() -> int:
    """Threads that a kernel runs on: as many as torch takes, `torch.set_num_threads` included."""
    return min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


def _view(argument: Any) -> Any:
    return argument.detach().contiguous().numpy() if isinstance(argument, Tensor) else argument

"""Kernels that another process compiles while this one loads weights.

numba compiles a kernel at its first call and keeps it on disk. The other process prints the name of each kernel when it
is on disk; a first launch here waits for that line instead of compiling the same kernel beside it.
"""

from __future__ import annotations

import atexit
import subprocess
import threading
from collections.abc import Callable
from typing import Any

_compiling: subprocess.Popen[str] | None = None
_compiled: set[str] = set()
_waiting = threading.Lock()
_announce: Callable[[str], None] | None = None


def kernel_name(compiled: Any) -> str:
    """Module and name of a compiled function."""
    return f"{compiled.py_func.__module__}.{compiled.py_func.__qualname__}"


def follow(process: subprocess.Popen[str]) -> None:
    """Wait for this process at first launches of kernels; it writes their names to its standard output."""
    global _compiling
    stop()
    _compiling = process
    _compiled.clear()


def stop() -> None:
    """End the process that is followed, if there is one."""
    global _compiling
    if _compiling is not None:
        _compiling.kill()
        _compiling.communicate()
        _compiling = None


def announce(receive: Callable[[str], None] | None) -> None:
    """Call this with the name of each kernel after its first launch in this process; None: no longer."""
    global _announce
    _announce = receive


def before_first_launch(compiled: Any) -> None:
    """Wait until the process that is followed has compiled this kernel, or has ended without it."""
    with _waiting:
        _wait_for(compiled)


def _wait_for(compiled: Any) -> None:
    global _compiling
    while _compiling is not None and kernel_name(compiled) not in _compiled:
        assert _compiling.stdout is not None
        line = _compiling.stdout.readline()
        if not line:
            _compiling.communicate()
            _compiling = None
        _compiled.add(line.strip())


def after_first_launch(compiled: Any) -> None:
    """Tell whoever asked that this kernel is compiled and on disk."""
    if _announce is not None:
        _announce(kernel_name(compiled))


atexit.register(stop)

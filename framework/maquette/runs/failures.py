"""Why runs fail, in classes that decide whether they are tried again."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

FailureKind = Literal["memory", "nonfinite", "lost", "time", "other"]
"""Out of memory; a loss or gradient that is not a number; a process that was killed; too long; anything else."""

_MEMORY = re.compile(
    r"out of memory|MemoryError|not enough memory|can.?t allocate memory|cannot allocate memory", re.IGNORECASE
)
_NONFINITE = re.compile(r"not finite")  # of training/nonfinite.py
STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name))


@dataclass(frozen=True)
class Failure:
    """One attempt that failed.

    Args:
        kind: its class.
        message: the last line of the run's log, or the error.
    """

    kind: FailureKind
    message: str


@dataclass(frozen=True)
class Limits:
    """How long a run may take, and how often it is begun again.

    Args:
        seconds: wall time of a run with all that it was gone on with, after which it is stopped; None: any.
        lost: times that a run is gone on with whose process was killed from outside.
    """

    seconds: float | None = None
    lost: int = 0


def classify(message: str, code: int = 1) -> Failure:
    """The failure of a run by its last words and its exit code.

    Args:
        message: the last line of its log.
        code: exit code; negative: the number of the signal that ended it.

    Example:
        >>> classify("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB").kind
        'memory'
        >>> classify("error: step 3: not finite: sds (1 in a row)").kind, classify("step 12/40", -9).kind
        ('nonfinite', 'lost')
    """
    if _MEMORY.search(message):
        return Failure("memory", message)
    if _NONFINITE.search(message):
        return Failure("nonfinite", message)
    if code < 0 or code in {128 + number for number in STOPPING}:
        return Failure("lost", message or f"its process was ended by {_name(code)}")
    return Failure("other", message or f"exit code {code}")


def again(failures: Sequence[Failure], limits: Limits, can_shrink: bool) -> Literal["same", "smaller", ""]:
    """Whether a run that failed is tried again: as it is, with its smaller settings, or not.

    A lost process goes on while the limits allow it; out of memory is tried once with smaller settings, if there are
    any; what was not a number would be so again.
    """
    last = failures[-1].kind
    if last == "lost":
        return "same" if sum(failure.kind == "lost" for failure in failures) <= limits.lost else ""
    if last == "memory":
        return "smaller" if can_shrink and sum(failure.kind == "memory" for failure in failures) == 1 else ""
    return ""


def _name(code: int) -> str:
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""How work is measured: in alternation, so that a busy machine slows all of it alike; and its memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

Work = Callable[[], object]

LEAST_ROUNDS = 3


def alternate(works: list[Work], rounds: int, seconds: float) -> list[list[float]]:
    """Milliseconds of each round of each piece of work, one after the other in every round.

    Args:
        works: what to time.
        rounds: measured rounds; one more goes before them and only warms up.
        seconds: after which no further round begins, once three are measured.
    """
    times: list[list[float]] = [[] for _ in works]
    begin_of_all = time.perf_counter()
    while len(times[0]) <= rounds:
        if len(times[0]) > LEAST_ROUNDS and time.perf_counter() - begin_of_all > seconds:
            break
        for work, measured in zip(works, times, strict=True):
            begin = time.perf_counter()
            work()
            measured.append(1000 * (time.perf_counter() - begin))
    return [measured[1:] for measured in times]


def peak_growth_mib(warm_up: Work, prepare: Callable[[], Work]) -> float | None:
    """MiB that a piece of work adds at its peak, with its input, to this process; for a fresh process.

    Args:
        warm_up: loads and compiles what the work needs, on input of no size.
        prepare: makes the input and gives the work, which is then done twice.

    Returns:
        The growth, or None where the system does not tell (it is read from Linux's /proc).
    """
    if not Path("/proc/self/clear_refs").exists():
        return None
    warm_up()
    before = _status_mib("VmRSS")
    work = prepare()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held now
    work()
    work()
    return _status_mib("VmHWM") - before


def _status_mib(entry: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))

"""What the speed benchmarks share: work timed in alternation, so that a busy machine slows all of it alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

Work = Callable[[], object]


def alternate(works: list[Work], rounds: int) -> list[float]:
    """Median milliseconds of each piece of work; the first round only warms up."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, measured in zip(works, times, strict=True):
            begin = time.perf_counter()
            work()
            measured.append(1000 * (time.perf_counter() - begin))
    return [statistics.median(measured[1:]) for measured in times]

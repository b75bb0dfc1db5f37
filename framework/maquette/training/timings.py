"""Wall and CPU seconds per named part of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timings:
    """Wall and CPU seconds per named part, summed over a run."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add the time of the block to `part`."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall[part] = self.wall.get(part, 0.0) + time.perf_counter() - wall
            self.cpu[part] = self.cpu.get(part, 0.0) + time.process_time() - cpu

    def plain(self) -> dict[str, dict[str, float]]:
        """part -> wall and CPU seconds."""
        return {
            part: {"wall_seconds": round(self.wall[part], 3), "cpu_seconds": round(self.cpu[part], 3)}
            for part in self.wall
        }

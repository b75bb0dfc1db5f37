"""Wall, CPU and GPU seconds per named part of a run."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class Timings:
    """Seconds per named part, summed over a run.

    GPU kernels run asynchronously, so the wall time of a part is not the time of its kernels. With CUDA in use, parts
    are also timed by CUDA events, without synchronisation.

    Args:
        earlier: sums of the sessions before, as `to_dict` gives them.
    """

    def __init__(self, earlier: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self.wall, self.cpu, self.gpu = (
            {part: times[key] for part, times in (earlier or {}).items() if key in times}
            for key in ("wall_seconds", "cpu_seconds", "gpu_seconds")
        )
        self._pending: deque[tuple[str, torch.cuda.Event, torch.cuda.Event]] = deque()

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add the time of the block to the sums of `part`."""
        wall, cpu, event = time.perf_counter(), time.process_time(), _event()
        try:
            yield
        finally:
            self.wall[part] = self.wall.get(part, 0.0) + time.perf_counter() - wall
            self.cpu[part] = self.cpu.get(part, 0.0) + time.process_time() - cpu
            end = _event() if event is not None else None
            if event is not None and end is not None:
                self._pending.append((part, event, end))
                self._read()

    def to_dict(self) -> dict[str, dict[str, float]]:
        """part -> wall and CPU seconds, and GPU seconds of parts that used the GPU."""
        if self._pending:
            torch.cuda.synchronize()
            self._read()
        return {
            part: {
                "wall_seconds": round(self.wall[part], 3),
                "cpu_seconds": round(self.cpu[part], 3),
                **({"gpu_seconds": round(self.gpu[part], 3)} if part in self.gpu else {}),
            }
            for part in self.wall
        }

    def _read(self) -> None:
        """Add the times of the completed events, in order."""
        while self._pending and self._pending[0][2].query():
            part, start, end = self._pending.popleft()
            self.gpu[part] = self.gpu.get(part, 0.0) + start.elapsed_time(end) / 1000


def _event() -> torch.cuda.Event | None:
    """A recorded CUDA event; None if CUDA is not in use."""
    if not torch.cuda.is_initialized():
        return None
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event

"""Time, memory and launches of work on a device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from maquette.training.timings import Timings

LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaLaunchCooperativeKernel")


def wait(device: torch.device) -> None:
    """Wait until all work on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def milliseconds(work: Callable[[], object], device: torch.device, rounds: int = 20, warm: int = 3) -> float:
    """Median time of one piece of work, the device waited for."""
    times = []
    for _ in range(warm + rounds):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[warm:])


def peak_mib(work: Callable[[], object], device: torch.device) -> float:
    """Peak memory in MiB that is allocated on a card during the work, including earlier allocations; 0 on a CPU."""
    if device.type != "cuda":
        work()
        return 0.0
    torch.cuda.reset_peak_memory_stats(device)
    work()
    wait(device)
    return torch.cuda.max_memory_allocated(device) / 2**20


def launches(work: Callable[[], object], device: torch.device) -> int:
    """How many kernels work launches on a card; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        work()
        wait(device)
    return sum(event.count for event in profile.key_averages() if event.key.startswith(LAUNCHES))


class WaitingTimings(Timings):
    """Timings that wait for the device before and after each part, so that each is charged with its own work."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        wait(self.device)
        with super().measure(part):
            yield
            wait(self.device)

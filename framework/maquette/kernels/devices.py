"""Where to compute, and on how many cores."""

from __future__ import annotations

import math
import os
from pathlib import Path

import torch

from maquette.errors import ConfigError


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto": CUDA where there is one, otherwise the CPU, and nothing else.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"{name!r} is no device", hint="say auto, cpu, cuda or cuda:0, cuda:1 ...") from None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ConfigError(f"there is no {name} here", hint="say auto or cpu; `maquette doctor` lists what there is")
    return device


def device_or_cpu(name: str = "auto") -> torch.device:
    """The device of that name, or the CPU where there is none: for looking at what was computed elsewhere."""
    try:
        return choose_device(name)
    except ConfigError:
        return torch.device("cpu")


def available_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPU cores that this process may use, by its affinity and its container's quota.

    Args:
        cgroup: folder of the container's control group, version 2 or 1.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, _quota(cgroup))))


def limit_threads() -> None:
    """Hold torch to the available cores; its own count is of the whole machine. OMP_NUM_THREADS wins."""
    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > available_cores():
        torch.set_num_threads(available_cores())


def _quota(cgroup: Path) -> float:
    """Cores that the container's quota allows; infinite without one."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return math.inf
    return int(quota) / int(period) if quota.strip().isdigit() and int(quota) and int(period) else math.inf

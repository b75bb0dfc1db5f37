"""The CPU cores and the memory that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path


def available_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPU cores that this process may use, by its affinity and its container's quota.

    Args:
        cgroup: folder of the container's control group, version 2 or 1.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(affinity, _quota(cgroup))))


def memory_gb(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Main memory that this process may use, in 10^9 bytes, by the machine and its container's limit; 0: unknown.

    Args:
        cgroup: folder of the container's control group, version 2.
    """
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on this system
        return 0.0
    try:
        limit = (cgroup / "memory.max").read_text().strip()
    except OSError:
        limit = "max"
    return min(size, int(limit) if limit.isdigit() else size) / 1e9


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

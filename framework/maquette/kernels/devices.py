"""Where to compute, and on how many threads."""

from __future__ import annotations

import os

import torch

from maquette.errors import ConfigError
from maquette.kernels.cores import available_cores


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


def gpu_memory_gb() -> float:
    """Memory of the largest CUDA device, in 10^9 bytes; 0: there is none."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    sizes = [torch.cuda.get_device_properties(index).total_memory for index in range(count)]
    return max(sizes, default=0) / 1e9


def device_or_cpu(name: str = "auto") -> torch.device:
    """The device of that name, or the CPU where there is none: for looking at what was computed elsewhere."""
    try:
        return choose_device(name)
    except ConfigError:
        return torch.device("cpu")


def limit_threads() -> None:
    """Hold torch to the available cores; its own count is of the whole machine. OMP_NUM_THREADS wins."""
    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > available_cores():
        torch.set_num_threads(available_cores())

"""Where to compute."""

from __future__ import annotations

import torch


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto": CUDA where there is one."""
    cuda = torch.cuda.is_available()
    return torch.device(("cuda" if cuda else "cpu") if name == "auto" else name)

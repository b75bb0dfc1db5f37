"""Where to compute."""

from __future__ import annotations

import torch

from maquette.errors import ConfigError


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto": CUDA where there is one, otherwise the CPU, and nothing else.

    Raises:
        ConfigError: CUDA is asked for and there is none.
    """
    cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not cuda:
        raise ConfigError(f"there is no {name} here", hint="say auto or cpu; `maquette doctor` lists what there is")
    return device

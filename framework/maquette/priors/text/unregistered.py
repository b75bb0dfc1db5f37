"""A reference to a module that torch does not register as a submodule."""

from __future__ import annotations

from typing import Any


class Unregistered:
    """Wraps a module so that its owner does not include it in parameters, state dict and `to`."""

    def __init__(self, module: Any) -> None:
        self.module = module

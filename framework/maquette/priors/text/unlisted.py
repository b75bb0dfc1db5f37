"""Holding a module without owning it."""

from __future__ import annotations

from typing import Any


class Unlisted:
    """Keeps a module out of another module's parameters, state and moves between devices."""

    def __init__(self, module: Any) -> None:
        self.module = module

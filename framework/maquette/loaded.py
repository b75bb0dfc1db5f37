"""What a reader made of a file: the value, and what of the file was used, left out or doubtful."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Loaded(Generic[Value]):
    """The value that was read from a file or folder, with an account of the reading. `maquette inspect` prints it.

    Attributes:
        value: what was read.
        kind: what it is: mesh, points, splats, picture, posed-images, prior, lora, run.
        format: the file's format, such as "gltf" or "colmap-binary".
        used: features of the file that reached the value, such as "vertex colors".
        ignored: features of the file that did not reach it.
        warnings: what may differ from the user's intent, one sentence each.
        facts: numbers and names by key, of JSON types only.
    """

    value: Value
    kind: str
    format: str
    used: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def unwrap(self, path: str | Path) -> Value:
        """Log what was ignored and what is doubtful as warnings, and return the value."""
        if self.ignored:
            _log.warning("%s: not read: %s", path, ", ".join(self.ignored))
        for warning in self.warnings:
            _log.warning("%s: %s", path, warning)
        return self.value

    def account(self) -> dict[str, Any]:
        """The reading as JSON types, without the value."""
        return {
            "kind": self.kind, "format": self.format, "used": list(self.used), "ignored": list(self.ignored),
            "warnings": list(self.warnings), **self.facts,
        }  # fmt: skip

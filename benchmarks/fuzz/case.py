"""One input of a reader: files in a folder, and what is asked about them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """One input.

    Args:
        loader: the row of the table in which it is counted.
        files: path in the folder -> content.
        target: the path in the folder that is inspected; "" is the folder itself.
        links: path in the folder -> what a symbolic link there points to.
        words: settings of the command line, with which the target is loaded as a method; None: it is inspected.
        expected: what is known of a right reading, by key; see `judging`.
    """

    loader: str
    files: Mapping[str, bytes]
    target: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] | None = None
    expected: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write its files and links into an empty folder."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        for name, place in self.links.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).unlink(missing_ok=True)
            os.symlink(place, folder / name)

    def note(self) -> str:
        """All but its files, as JSON."""
        rest = {"loader": self.loader, "target": self.target, "links": dict(self.links), "words": self.words}
        return json.dumps(rest, indent=1, default=str) + "\n"

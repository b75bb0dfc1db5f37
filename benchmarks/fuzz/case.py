"""One input of a reader, and making one smaller while it fails in the same way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

LARGEST = 1 << 16  # bytes of a file that is made smaller


@dataclass(frozen=True)
class Case:
    """One input.

    Args:
        loader: the row of the table in which it is counted.
        files: path in the folder -> content.
        target: the path in the folder that is inspected, or the name of a method; "" is the folder itself.
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
        """Write its files and links into a folder."""
        for name in (*self.files, *self.links):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if name in self.links:
                (folder / name).unlink(missing_ok=True)
                os.symlink(self.links[name], folder / name)
            else:
                (folder / name).write_bytes(self.files[name])


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float) -> Case:
    """Leave out files, words, lines and bytes, greedily, as long as time is left."""
    end = time.monotonic() + seconds
    while True:
        for smaller in _smaller(case):
            if time.monotonic() > end:
                return case
            if fails(smaller):
                case = smaller
                break
        else:
            return case


def _smaller(case: Case) -> Iterator[Case]:
    for name in case.files:
        if name != case.target:
            yield replace(case, files={key: value for key, value in case.files.items() if key != name})
    words = case.words or ()
    for index in range(len(words)):
        yield replace(case, words=words[:index] + words[index + 1 :])
    for name, content in case.files.items():
        if len(content) <= LARGEST:
            yield from (replace(case, files={**case.files, name: shorter}) for shorter in _shorter(content))


def _shorter(content: bytes) -> Iterator[bytes]:
    """The content without a half, a quarter ... of it; by lines where it has some."""
    lines = content.splitlines(keepends=True) if b"\0" not in content else []
    pieces = lines if len(lines) > 1 else [content[i : i + 1] for i in range(len(content))]
    size = len(pieces) // 2
    while size and size * 64 >= len(pieces):
        for start in range(0, len(pieces), size):
            yield b"".join(pieces[:start] + pieces[start + size :])
        size //= 2

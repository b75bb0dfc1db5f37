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
        target: the path in the folder that is read, or the name of a method; "" is the folder itself.
        links: path in the folder -> what a symbolic link there points to.
        words: settings of the command line for a method.
        expected: what is known of a right reading, by key; "refused": words of the refusal that is right.
        reader: which of `judging.READERS` reads it.
        allow: folders in the folder that are allowed, as by `--allow`.
    """

    loader: str
    files: Mapping[str, bytes]
    target: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)
    reader: str = "inspect"
    allow: tuple[str, ...] = ()

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
    while smaller := next((one for one in _smaller(case) if time.monotonic() > end or fails(one)), None):
        if time.monotonic() > end:
            break
        case = smaller
    return case


def _smaller(case: Case) -> Iterator[Case]:
    for name in set(case.files) - {case.target}:
        yield replace(case, files={key: value for key, value in case.files.items() if key != name})
    for index in range(len(case.words)):
        yield replace(case, words=case.words[:index] + case.words[index + 1 :])
    for name, content in case.files.items():
        lines = content.splitlines(keepends=True) if b"\0" not in content else []
        pieces = lines if len(lines) > 1 else [content[i : i + 1] for i in range(len(content))]
        size = len(pieces) // 2 if len(content) <= LARGEST else 0
        while size and size * 64 >= len(pieces):  # without a half, a quarter ... of it
            for start in range(0, len(pieces), size):
                shorter = b"".join(pieces[:start] + pieces[start + size :])
                yield replace(case, files={**case.files, name: shorter})
            size //= 2

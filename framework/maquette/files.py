"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A place in the same folder to write to, renamed to `path` when the block ends well and removed when not.

    The place keeps the suffix, from which many libraries take the format; the folder is made when it is missing.
    Whoever else writes the same file has another place, and the last to end wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    place = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield place
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write beside, sync, rename: a reader sees the old text or the new, never half."""
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def display_path(path: Path) -> str:
    """The path relative to the working folder where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)

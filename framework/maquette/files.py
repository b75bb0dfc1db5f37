"""Atomic writing of files, so that readers never see a partial one; one writer to a folder at a time."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import secrets
import socket
import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from maquette.errors import RunError

LOCK_FILE = ".lock"
LOOKING_SECONDS = 0.2  # for which another process may hold a lock to see whether it is held
WRITER_FILE = ".writer.json"  # who holds the lock


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to `path` at the end of the block, removed if the block raises.

    It has the suffix of `path`, from which many libraries take the format; a missing folder is created. Concurrent
    writers have different temporary paths, and the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write text to a temporary file, sync it and rename it to `path`."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def file_hash(path: Path) -> str:
    """The sha256 of a file's content, read anew: a file that was exchanged has the same name."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def sole_writer(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder inside the block. The system frees it when the process ends, however it ends.

    Args:
        folder: the folder, which exists.
        what: the folder's contents in a message, such as "run".

    Raises:
        RunError: another process holds the lock; names its host and number.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK_FILE, timeout=LOOKING_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"this {what} is being written by {_writer(folder)}: {display_path(folder)}") from None
    except OSError as problem:
        raise RunError(f"cannot write in {display_path(folder)}: {problem.strerror or problem}") from None
    try:
        writer = {"host": socket.gethostname(), "pid": os.getpid(), "command": sys.argv, "since": time.ctime()}
        with suppress(OSError):  # on a full disk the first file that matters says so
            write_atomically(folder / WRITER_FILE, json.dumps(writer))
        yield
    finally:
        for name in (WRITER_FILE, LOCK_FILE):
            with suppress(OSError):  # the folder may be gone
                (folder / name).unlink(missing_ok=True)
        lock.release()


def is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a folder; see `sole_writer`. Nothing is written."""
    from filelock import FileLock, Timeout

    if not (folder / LOCK_FILE).is_file():
        return False
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # of another user, who may be writing
        return True
    lock.release()
    return False


def _writer(folder: Path) -> str:
    try:
        writer = json.loads((folder / WRITER_FILE).read_text(encoding="utf-8"))
        return f"process {writer['pid']} on {writer['host']} since {writer['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


_ALLOWED: ContextVar[tuple[Path, ...]] = ContextVar("allowed", default=())


@contextmanager
def allowing(folders: Iterable[Path]) -> Iterator[None]:
    """Let the paths inside files that are read in the block lead into these folders, too."""
    token = _ALLOWED.set((*_ALLOWED.get(), *(Path(folder).expanduser().resolve() for folder in folders)))
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def is_inside(path: str | Path, roots: Iterable[str | Path]) -> bool:
    """Whether a path, links resolved, lies in one of the folders or in an allowed one; see `allowing`."""
    place = Path(path).resolve()
    return any(place.is_relative_to(Path(root).expanduser().resolve()) for root in (*roots, *_ALLOWED.get()))


def folded(name: str) -> str:
    """A file's name without regard to capitals and to how accents are composed, both of which systems change.

    Example:
        >>> folded("CAFE\u0301.png") == folded("Caf\u00e9.PNG")
        True
    """
    return unicodedata.normalize("NFC", name).casefold()


def decode_text(data: bytes) -> str:
    """Text in UTF-8, or in UTF-16 with a byte order mark; a mark is left out. Raises UnicodeDecodeError."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig")


def cache_folder() -> Path:
    """The folder of caches: $MAQUETTE_CACHE, or `maquette` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "maquette"
    return Path(os.environ.get("MAQUETTE_CACHE", default))


def display_path(path: Path) -> str:
    """The path relative to the working folder if it lies inside, else unchanged."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)

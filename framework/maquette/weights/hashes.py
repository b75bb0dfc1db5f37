"""Hashes of the content of files and folders, remembered by path, size and modification time."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from maquette.files import atomic_path, cache_folder, file_hash
from maquette.weights.embedding_cache import file_signature


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content, or of the names and contents of all files in a folder, as hexadecimal digits.

    Hidden files and folders inside a folder are left out.

    Raises:
        OSError: a file cannot be read.
    """
    if path.is_file():
        return _remembered_hash(path)
    digest = hashlib.sha256()
    for inner in sorted(path.rglob("*")):
        name = inner.relative_to(path)
        if inner.is_file() and not any(part.startswith(".") for part in name.parts):
            digest.update(f"{name.as_posix()}\0{_remembered_hash(inner)}\n".encode())
    return digest.hexdigest()


def _remembered_hash(path: Path) -> str:
    path = path.resolve()
    key = hashlib.sha256(f"{path}\0{file_signature(path)}".encode(errors="surrogateescape")).hexdigest()
    remembered = cache_folder() / "sha256" / key
    try:
        return remembered.read_text(encoding="ascii")
    except (OSError, ValueError):
        pass
    content = file_hash(path)
    with suppress(OSError), atomic_path(remembered) as temporary:  # a cache that cannot be written only costs time
        temporary.write_text(content, encoding="ascii")
    return content

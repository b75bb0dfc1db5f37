"""Checks of weight files before a library reads them: JSON with its place, failed downloads, files cut short."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maquette.errors import ConfigError

HEAD = 512  # bytes of a file that are enough to recognise it
LFS = b"version https://git-lfs.github.com/spec/"
PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")
ZIP = b"PK\x03\x04"
MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-8 and UTF-16, which diffusers and transformers cannot read."""
LONGEST_HEADER = 100_000_000  # bytes, of the safetensors library


def read_json(path: Path, key: str = "") -> dict[str, Any]:
    """The mapping in a JSON file, with or without a byte order mark.

    Raises:
        ConfigError: it is no JSON mapping; naming the file, and the line and column of what is wrong.
    """
    refuse_failed_download(path, key)
    try:
        data = json.loads(path.read_bytes())
    except json.JSONDecodeError as problem:
        raise ConfigError(
            f"{path} is not valid JSON: {problem.msg} in column {problem.colno}", key=key, file=path.name,
            line=problem.lineno, hint="is it cut short? copy or download it again",
        ) from problem  # fmt: skip
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path} is not text: byte {problem.start} is no UTF-8", key=key) from problem
    except (RecursionError, ValueError, OSError) as problem:
        raise ConfigError(f"{path} cannot be read as JSON: {type(problem).__name__}: {problem}", key=key) from problem
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds a {type(data).__name__}, and a mapping of names to values is right", key=key)
    return data


def refuse_failed_download(path: Path, key: str = "") -> None:
    """Refuse a file that stands for another one: a git-LFS pointer, a web page, nothing at all.

    Raises:
        ConfigError: naming the file and what it is.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as problem:
        raise ConfigError(f"cannot read {path}: {problem.strerror or problem}", key=key) from problem
    for mark in MARKS:
        head = head.removeprefix(mark)
    if not head:
        raise ConfigError(f"{path} is empty", key=key, hint="copy or download it again")
    if head.startswith(LFS):
        raise ConfigError(
            f"{path} is a git-LFS pointer, not the file itself", key=key,
            hint="run `git lfs pull` in the repository it came from, or download the file",
        )  # fmt: skip
    if head.lstrip().lower().startswith(PAGES):
        raise ConfigError(
            f"{path} is a web page, not the file itself", key=key,
            hint="the download went to a page, perhaps one that asks for a login or a licence; download it again",
        )  # fmt: skip


def check_tensor_file(path: Path, key: str = "") -> None:
    """Check that a file of tensors is whole and what its name says.

    Raises:
        ConfigError: it is a failed download, text, or a safetensors file cut short; naming the file.
    """
    refuse_failed_download(path, key)
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        text = " ".join(head[:80].decode("ascii").split())
        raise ConfigError(f"{path} holds text, not tensors: {text!r}", key=key, hint="download it again")
    if is_safetensors(path):
        safetensors_header(path, key)


def is_safetensors(path: Path) -> bool:
    """Whether a file of tensors is safetensors, by its ending or, under another one, by its first bytes."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def safetensors_header(path: Path, key: str = "") -> dict[str, Any]:
    """Name -> `dtype`, `shape` and `data_offsets` of the tensors of a safetensors file, without reading them.

    Raises:
        ConfigError: it is cut short or of another format; naming the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        text = file.read(min(length, LONGEST_HEADER))
    if start.startswith(ZIP):
        raise ConfigError(f"{path} is a pickle of torch, not safetensors", key=key, hint="call it .ckpt or .bin")
    if length > LONGEST_HEADER or not text.startswith(b"{"):
        raise ConfigError(f"{path} is not a safetensors file", key=key, hint="download or save it again")
    if size < 8 + length:
        raise _cut_short(path, size, 8 + length, key)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as problem:
        raise ConfigError(f"the header of {path} is damaged", key=key, hint="download or save it again") from problem
    if size < 8 + length + end:
        raise _cut_short(path, size, 8 + length + end, key)
    return header


def _cut_short(path: Path, size: int, full: int, key: str) -> ConfigError:
    return ConfigError(
        f"{path} is cut short: it has {size:,} bytes, and its header names at least {full:,}", key=key,
        hint="copy or download it again",
    )  # fmt: skip


def is_finite(tensor: Tensor) -> bool:
    """Whether a tensor has no NaN and no infinity; tensors of whole numbers, and those without values, have none."""
    if tensor.is_meta or not tensor.is_floating_point():
        return True
    values = tensor.float() if tensor.element_size() == 1 else tensor
    total = values.sum(dtype=torch.float32 if values.element_size() == 2 else values.dtype)
    return bool(torch.isfinite(total)) or bool(torch.isfinite(values).all())


def refuse_non_finite(tensors: Iterable[tuple[str, Tensor]], place: str, key: str = "") -> None:
    """Refuse weights that are not numbers, which would make every result NaN.

    Args:
        tensors: names and values.
        place: their file, for the message.
        key: config key, for the message.

    Raises:
        ConfigError: naming the first tensor with a NaN or an infinity.
    """
    for name, tensor in tensors:
        if not is_finite(tensor):
            count = int((~torch.isfinite(tensor.float())).sum())
            raise ConfigError(
                f"the tensor {name} in {place} has {count} of {tensor.numel()} values that are NaN or infinite",
                key=key, hint="the file is damaged, or its training diverged; take another",
            )  # fmt: skip


@contextmanager
def readable_folder(folder: Path, key: str = "") -> Iterator[Path]:
    """The folder, once its JSON files are checked; if one has a byte order mark, a temporary copy without the marks.

    The copy links to all other files and lasts as long as the context.

    Raises:
        ConfigError: a JSON file is broken; naming it, its line and column.
    """
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    contents = {path.name: read_json(path, key) for path in files}
    marked = [path.name for path in files if path.read_bytes().startswith(MARKS)]
    if not marked:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for path in folder.iterdir():
            if path.name in marked:
                (copy / path.name).write_text(json.dumps(contents[path.name]), encoding="utf-8")
            else:
                os.symlink(path.resolve(), copy / path.name)
        yield copy

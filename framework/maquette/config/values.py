"""Checks of single values of a config: type, range, encoding, path."""

from __future__ import annotations

import logging
import os
import shlex
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from maquette.annotations import PathKind, Range
from maquette.config import paths
from maquette.config.origins import Origin
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError
from maquette.files import is_inside

_log = logging.getLogger(__name__)
Locate = Callable[[str], Origin | None]
LARGEST_WHOLE = 2**64
_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def config_error(message: str, key: str, locate: Locate, hint: str = "") -> ConfigError:
    """An error about a key, with its file and line."""
    origin = locate(key)
    file, line = (origin.file or origin.text, origin.line) if origin else ("", None)
    return ConfigError(message, key=key, file=file, line=line, hint=hint)


def quoted(value: Any) -> str:
    """A value in a message."""
    kind = {str: "the text", bool: "the truth value", int: "the number", float: "the number"}.get(type(value), "")
    text = repr(value)
    return f"{kind} {text if len(text) <= 200 else text[:200] + '...'}".strip() if value is not None else "nothing"


def check_leaf(expected: Any, value: Any, key: str, locate: Locate) -> Any:
    """`value` as the type `expected`, strictly.

    Raises:
        ConfigError: it has another type, is not finite, or a text that is none.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    if takes_text(expected) and isinstance(value, (bool, int, float)):
        value = _as_typed(expected, value, key, locate)
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1023 else value
    if isinstance(value, list):
        value = tuple(value)
    try:
        result = TypeAdapter(expected, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(value)
    except ValidationError as problem:
        expectation = _NAMES.get(expected) or problem.errors()[0]["msg"].lower().removeprefix("input should be ")
        raise config_error(f"expected {expectation}, got {quoted(value)}", key, locate) from None
    if isinstance(result, str) and any(0xD800 <= ord(letter) <= 0xDFFF for letter in result):
        raise config_error(f"half of a character, {result!a}, is no text", key, locate, "type it in UTF-8")
    for number in result if isinstance(result, tuple) else [result]:
        if isinstance(number, int) and abs(number) > LARGEST_WHOLE:
            raise config_error(f"{quoted(number)} is too large; whole numbers are at most 2**64", key, locate)
    return result


def takes_text(expected: Any) -> bool:
    """Whether a type is text, or one of some texts, or may be left out."""
    if typing.get_origin(expected) is Literal:
        return all(isinstance(choice, str) for choice in typing.get_args(expected))
    return expected is str


def _as_typed(expected: Any, value: Any, key: str, locate: Locate) -> Any:
    """A number in the place of text as it was typed, so that `prompt: 1984` is a prompt."""
    origin = locate(key)
    return value if origin is None or origin.typed is None else origin.typed


def ranges(expected: Any) -> list[Range]:
    """The ranges in a type, which may be a union."""
    if typing.get_origin(expected) is Annotated:
        return [mark for mark in expected.__metadata__ if isinstance(mark, Range)] + ranges(expected.__origin__)
    if typing.get_origin(expected) in (typing.Union, types.UnionType):
        return [mark for inner in typing.get_args(expected) for mark in ranges(inner)]
    return []


def check_ranges(marks: Iterable[Range], value: Any, key: str, locate: Locate) -> None:
    """Check a number, or all numbers of a schedule.

    Raises:
        ConfigError: one is out of range.
    """
    numbers = [number for _, number in value.points] if isinstance(value, Schedule) else [value]
    for mark in marks:
        for number in numbers:
            if isinstance(number, (int, float)) and not isinstance(number, bool) and not mark.contains(number):
                number_text = f"{number:.15g}" if isinstance(number, float) else str(number)
                raise config_error(f"must be {mark}, and not {number_text}", key, locate)


def check_path(kind: PathKind, value: str, key: str, locate: Locate) -> str:
    """A path with `~`, variables and its folder filled in.

    Raises:
        ConfigError: a variable is not set, or the path leaves the folder that its file may not leave.
    """
    if not kind.is_path(value):
        return value
    if "\0" in value:
        raise config_error("a path has no character U+0000", key, locate)
    origin = locate(key)
    folder = origin.folder if origin else None
    try:
        path = paths.resolve(value, kind.kind, folder)
        if folder is None or origin is None:
            return path
        confines = paths.confines(folder / Path(origin.file).name)
        if confines is None or not (os.path.isabs(path) or os.path.exists(path)):
            return path
        stray = not is_inside(path, (confines,))
    except ConfigError as problem:
        raise config_error(problem.message, key, locate, problem.hint) from None
    except (ValueError, OSError) as problem:
        raise config_error(str(problem), key, locate) from None
    if stray and kind.kind == "output":
        _log.warning("%s: %s is a folder of another host or user; the results go to outputs/", key, value)
        return "outputs"
    if stray:
        raise config_error(
            f"{path} lies outside {confines}, which the paths of this file may not leave", key, locate,
            hint=f"give it as {key}=..., or allow its folder: --allow {shlex.quote(os.path.dirname(path))}",
        )  # fmt: skip
    return path

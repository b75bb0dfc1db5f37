"""Errors that a user can act on: one line that names the key, the file and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

Value = TypeVar("Value")


class MaquetteError(Exception):
    """Base of all errors that the command line prints without a traceback."""

    exit_code = 1


class ConfigError(MaquetteError):
    """Something in a configuration is wrong; nothing heavy has been loaded yet.

    Args:
        message: what is wrong.
        key: dotted key, when one is at fault.
        file: file in which it stands; `line`: its line there, from 1.
        hint: what would be right.
    """

    exit_code = 2

    def __init__(self, message: str, *, key: str = "", file: str = "", line: int | None = None, hint: str = "") -> None:
        self.message, self.key, self.file, self.line, self.hint = message, key, file, line, hint
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        text = f"{self.key}: {self.message}" if self.key else self.message
        text += f" ({place})" if place else ""
        text += f"; {self.hint}" if self.hint else ""
        return " ".join(text.split())


class PluginError(MaquetteError):
    """A plugin broke a rule of the plugin interface."""


class MissingDependency(MaquetteError):
    """An optional package is needed; the message says what to install."""


class RunError(MaquetteError):
    """A run cannot go on; the message says what happened, what is kept and what to do."""


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """The beginning of a hint: the known name that a wrong one is most like; empty where none is.

    Example:
        >>> did_you_mean("nref", ["nerf", "export"])
        "did you mean 'nerf'? "
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {near[0]!r}? " if near else ""


def require_prepared(value: Value | None, owner: object) -> Value:
    """A value that `prepare` sets.

    Raises:
        RuntimeError: `prepare` was not called.
    """
    if value is None:
        raise RuntimeError(f"{type(owner).__name__} is used before its prepare() was called")
    return value

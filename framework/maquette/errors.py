"""Errors for users: one line that names the key, the file and the remedy."""

from __future__ import annotations

import difflib
import os
import traceback
from collections.abc import Iterable
from typing import TypeVar

Value = TypeVar("Value")
LONGEST = 2000  # letters of a message; the middle of a longer one is left out


class MaquetteError(Exception):
    """Base class of errors that the command line prints without a traceback."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it, as the command line does; with MAQUETTE_DEBUG set, the whole traceback."""
        if os.environ.get("MAQUETTE_DEBUG"):
            return traceback.format_exception(self)
        return [f"error: {self}"]


class ConfigError(MaquetteError):
    """A configuration is invalid.

    Args:
        message: what is wrong.
        key: dotted key of the wrong value.
        file: file of the key; `line`: its line there, from 1.
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
        line = " ".join(text.split())
        return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 4 :]}"


class PluginError(MaquetteError):
    """A plugin violates the plugin interface."""


class MissingDependency(MaquetteError):
    """An optional package is missing; the message says what to install."""


class RunError(MaquetteError):
    """A run cannot continue; the message says why, what is kept and what to do."""


def did_you_mean(name: str, names: Iterable[str], cutoff: float = 0.5) -> str:
    """A hint with the most similar of the valid names; empty if none is similar.

    Example:
        >>> did_you_mean("nref", ["nerf", "export"])
        "did you mean 'nerf'? "
    """
    matches = difflib.get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return f"did you mean {matches[0]!r}? " if matches else ""


def one_line(problem: BaseException) -> str:
    """An exception as one line: its type and its text.

    Example:
        >>> one_line(ValueError("too\\n long")), one_line(KeyboardInterrupt())
        ('ValueError: too long', 'KeyboardInterrupt')
    """
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def require_prepared(value: Value | None, owner: object) -> Value:
    """A value that `prepare` sets, or an error if it was not called.

    Raises:
        RuntimeError: `prepare` was not called.
    """
    if value is None:
        raise RuntimeError(f"{type(owner).__name__} is used before its prepare() was called")
    return value

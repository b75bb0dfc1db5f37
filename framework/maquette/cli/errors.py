"""How commands end: an error is one line, and so is the failure of a plugin's code."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from maquette.errors import MaquetteError

DEBUG = "MAQUETTE_DEBUG"
INTERRUPTED = 130
"""Exit code after Ctrl-C, 128 + SIGINT."""


def exit_with_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print a MaquetteError, a failure of a plugin's code or an interruption as one line, and exit with its code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except MaquetteError as problem:
            if os.environ.get(DEBUG):
                raise
            raise _exit(problem) from None
        except KeyboardInterrupt as problem:
            typer.secho(str(problem) or "interrupted", err=True)
            raise typer.Exit(getattr(problem, "exit_code", INTERRUPTED)) from None
        except (typer.Exit, typer.Abort):
            raise
        except (Exception, SystemExit) as problem:
            if isinstance(problem, SystemExit) and type(problem) is not SystemExit:  # a run that is stopped
                raise
            from maquette.plugins import attribute

            named = None if os.environ.get(DEBUG) else attribute(problem)
            if named is None:
                raise
            raise _exit(named, f"; {DEBUG}=1 shows the traceback") from None

    return wrapped


def _exit(problem: MaquetteError, more: str = "") -> typer.Exit:
    typer.secho(f"error: {problem}{more}", fg="red", err=True)
    return typer.Exit(problem.exit_code)

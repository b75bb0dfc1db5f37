"""Isolation of the code of plugins and local files: a failure is one error that names them, and state is restored."""

from __future__ import annotations

import io
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from maquette.errors import MaquetteError, PluginError, one_line
from maquette.files import display_path
from maquette.plugins.states import guard_states, restore_states

SLOW_SECONDS = 2.0
"""An import of a plugin that takes longer is named."""

_log = logging.getLogger("maquette.plugins")


@contextmanager
def isolated(what: str, folder: Path | None = None, declared: str = "") -> Iterator[None]:
    """Run code of a plugin: any exception, SystemExit included, becomes a PluginError; changed state is restored.

    Output, Python's warnings, changed state and slowness are each one warning that names `what`. The state is the
    default dtype and device of torch, the random states, the root logger and the working folder.

    Args:
        what: the code, for messages, such as "plugin acme-losses 1.0".
        folder: of the plugin's package, or a local file; a failure is placed at the last line there.
        declared: the place of a failure that has no line there, such as a line of the manifest; "": the folder.

    Raises:
        PluginError: the code failed.
        KeyboardInterrupt: as it came.
    """
    with_torch = "torch" in sys.modules
    before, output, started = guard_states(), io.StringIO(), time.perf_counter()
    try:
        with warnings.catch_warnings(record=True) as caught, redirect_stdout(output), redirect_stderr(output):
            yield
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        raise failure(what, problem, folder, declared) from problem
    finally:
        if changed := restore_states(before):
            _log.warning("%s changed %s; that is undone", what, " and ".join(changed))
    seconds = time.perf_counter() - started
    if seconds > SLOW_SECONDS and ("torch" not in sys.modules or with_torch):  # torch alone takes as long
        _log.warning("%s takes %.1f s to import; import what is heavy where it is used", what, seconds)
    if text := " ".join(output.getvalue().split()):
        _log.warning("%s printed when it was imported: %s", what, _short(text))
    if caught:
        first = " ".join(str(caught[0].message).split())
        more = f" (and {len(caught) - 1} more)" if len(caught) > 1 else ""
        _log.warning("%s warned: %s: %s%s", what, caught[0].category.__name__, _short(first), more)


@contextmanager
def failing_as(what: str, folder: Path | None = None) -> Iterator[None]:
    """Give exceptions of the code within the name of their plugin; those of maquette pass as they are."""
    try:
        yield
    except (MaquetteError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as problem:
        if isinstance(problem, SystemExit) and type(problem) is not SystemExit:  # a run that is stopped
            raise
        raise failure(what, problem, folder) from problem


def failure(what: str, problem: BaseException, folder: Path | None = None, declared: str = "") -> PluginError:
    """The error that `what` failed with `problem`, at its last line in a folder or file, or where it is declared."""
    reason = " ".join(str(problem).split()) if isinstance(problem, MaquetteError) else one_line(problem)
    place = last_line(problem, folder) if folder is not None else ""
    place = place or declared or (display_path(folder) if folder is not None else "")
    return PluginError(f"{what}: {_short(reason)}" + (f" ({place})" if place and place not in reason else ""))


def last_line(problem: BaseException, folder: Path) -> str:
    """The innermost line of an exception's traceback within a folder or file, as FILE:LINE; empty if there is none."""
    if isinstance(problem, SyntaxError) and problem.filename and Path(problem.filename).is_relative_to(folder):
        return f"{display_path(Path(problem.filename))}:{problem.lineno}"
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if _within(frame.filename, folder)]
    return f"{display_path(Path(frames[-1].filename))}:{frames[-1].lineno}" if frames else ""


def innermost_file(problem: BaseException, places: Sequence[Path]) -> tuple[Path | None, Path | None]:
    """Of folders and files, the one that has the innermost line of an exception's traceback, and the file there."""
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        inside = [place for place in places if _within(frame.filename, place)]
        if inside:
            return max(inside, key=lambda place: len(place.parts)), Path(frame.filename).resolve()
    return None, None


def _within(filename: str, folder: Path) -> bool:
    return Path(filename).resolve().is_relative_to(folder.resolve())


def _short(text: str) -> str:
    return text if len(text) <= 500 else f"{text[:500]} ..."

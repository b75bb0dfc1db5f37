"""Deleting runs, or their checkpoints, by rules."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maquette.errors import ConfigError, RunError
from maquette.files import is_inside, sole_writer
from maquette.runs.folders import RunSummary, in_use, run_paths, summarise_run

DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "y": 365.25}
"""Letter behind a number -> days."""


@dataclass(frozen=True)
class Rules:
    """Which runs are deleted: those that all given rules name; without a rule, none.

    Args:
        older_than_days: runs that were last changed longer ago; None: of any age.
        unfinished: only runs that are unfinished or broken.
        keep_last: the newest runs, which stay; None: no run stays for its age.
        checkpoints_only: only checkpoints are deleted, of finished runs, or of unfinished ones if those are named.
    """

    older_than_days: float | None = None
    unfinished: bool = False
    keep_last: int | None = None
    checkpoints_only: bool = False

    @property
    def empty(self) -> bool:
        """Whether no rule is given."""
        return self == Rules()

    def select(self, runs: Sequence[RunSummary]) -> list[RunSummary]:
        """The runs that the rules name, without those that are being written."""
        if self.empty:
            return []
        newest = sorted(runs, key=lambda run: run.begun, reverse=True)[: self.keep_last or 0]
        states: tuple[str, ...] = ("unfinished", "broken") if self.unfinished else ("finished", "unfinished", "broken")
        if self.checkpoints_only and not self.unfinished:
            states = ("finished",)
        return [
            run
            for run in runs
            if run not in newest
            and run.state in states
            and (self.older_than_days is None or run.age_days > self.older_than_days)
            and (not self.checkpoints_only or run.checkpoint_size)
        ]

    def bytes_of(self, run: RunSummary) -> int:
        """Bytes that are freed by deleting a run, or its checkpoints."""
        return run.checkpoint_size if self.checkpoints_only else run.size


def parse_age(text: str) -> float:
    """Days of an age such as 12h, 30d, 2w or 1y.

    Raises:
        ConfigError: it is none.

    Example:
        >>> parse_age("2w")
        14.0
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([hdwy])\s*", text)
    if match is None:
        raise ConfigError(f"{text!r} is no age", key="older-than", hint="give a number with h, d, w or y, e.g. 30d")
    return float(match[1]) * DAYS[match[2]]


def list_runs(folder: Path) -> list[RunSummary]:
    """All runs below a folder, the newest first; links are not followed.

    Raises:
        ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", hint="give the folder that holds the runs")
    runs = [summarise_run(path) for path in run_paths(folder)]
    return sorted(runs, key=lambda run: run.begun, reverse=True)


def delete_run(run: RunSummary, root: Path, checkpoints_only: bool = False) -> None:
    """Delete a run, or its checkpoints, and the folders above it, up to `root`, that are then empty.

    Raises:
        RunError: a process writes the run, or the sweep or suite that it belongs to, or it cannot be deleted.
        ValueError: the run lies outside `root`.
    """
    root = root.resolve()
    if not is_inside(run.path, (root,)) or run.path.is_symlink():
        raise ValueError(f"{run.path} does not lie in {root}")
    if in_use(run.path):
        raise RunError("it is being written")
    with sole_writer(run.path, "run"):
        try:
            shutil.rmtree(run.path / "checkpoints" if checkpoints_only else run.path)
        except OSError as problem:
            raise RunError(f"{problem.strerror or problem}: {problem.filename}") from None
    if not checkpoints_only:
        _remove_empty(run.path.parent, root)


def _remove_empty(folder: Path, root: Path) -> None:
    folder = folder.resolve()
    with suppress(OSError):  # it is not empty
        while folder != root and folder.is_relative_to(root):
            folder.rmdir()
            folder = folder.parent

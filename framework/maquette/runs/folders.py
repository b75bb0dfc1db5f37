"""The folders of runs below a folder: finding one by name, and how far each came."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from maquette.errors import ConfigError, RunError, did_you_mean
from maquette.files import LOCK_FILE, display_path, is_locked
from maquette.training.manifest import read_manifest
from maquette.training.run_folder import RunFolder

OUTPUTS = Path("outputs")
"""Folder of the runs, relative to the working folder, as methods have it by default."""

LAST = "last"
"""The name of the run that was begun last."""

State = Literal["finished", "unfinished", "running", "broken"]


def run_paths(folder: Path) -> Iterator[Path]:
    """The folders of all runs below a folder, itself included; links are not followed, hidden folders left out.

    A folder is a run if it has what `RunFolder.create` and the begin of the first stage make: other programs have files
    and folders of some of these names.
    """
    for path, folders, files in os.walk(folder):
        begun = "state.json" in files or "manifest.json" in files
        if "config.yaml" in files and begun and {"export", "previews"} <= set(folders):
            folders.clear()
            yield Path(path)
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def find_run(name: str, outputs: Path = OUTPUTS) -> RunFolder:
    """The run of a name: its folder, a folder that holds no other run, or `last`, the one begun last below `outputs`.

    Raises:
        ConfigError: there is no such run, or there are several.
    """
    if name == LAST and not Path(LAST).is_dir():
        return RunFolder.read(_latest(outputs))
    path = Path(name).expanduser()
    if not path.is_dir():
        near = did_you_mean(name, [display_path(run) for run in run_paths(outputs)] if outputs.is_dir() else [])
        raise ConfigError(f"there is no run folder {name}", hint=f"{near}give the folder that a run printed, or last")
    runs = list(run_paths(path))
    if len(runs) > 1:
        raise ConfigError(
            f"{name} holds {len(runs)} runs", hint=f"give one of them, such as {display_path(runs[-1])}"
        )  # fmt: skip
    return RunFolder.read(runs[0] if runs else path)


def find_runs(names: Sequence[str], outputs: Path = OUTPUTS) -> list[RunFolder]:
    """The runs of several names, in their order, each once; a folder of a sweep or a suite stands for all its runs.

    Raises:
        ConfigError: a name is of no run.
    """
    paths: list[Path] = []
    for name in names:
        folder = Path(name).expanduser()
        within = list(run_paths(folder)) if folder.is_dir() else []
        paths += within if len(within) > 1 else [find_run(name, outputs).path]
    return [RunFolder.read(path) for path in dict.fromkeys(paths)]


def _latest(outputs: Path) -> Path:
    runs = list(run_paths(outputs))
    if not runs:
        raise ConfigError(
            f"there is no run in {outputs} yet", hint="give the folder of one, or begin one: maquette run"
        )
    return max(runs, key=begun_at)


def begun_at(run: Path) -> float:
    """When a run was begun, in seconds since the epoch: when its config.yaml was written."""
    return (run / "config.yaml").lstat().st_mtime


@dataclass(frozen=True)
class RunSummary:
    """What a list of runs says about one.

    Args:
        path: the run folder.
        method, prompt: as its manifest has them; the name of the picture or of the folder where there is no prompt.
        state: finished, unfinished (it can be resumed), running (another process writes it), or broken.
        size: bytes of all files.
        checkpoint_size: bytes of the checkpoints.
        begun, changed: when it was begun and last changed, in seconds since the epoch.
    """

    path: Path
    method: str
    prompt: str
    state: State
    size: int
    checkpoint_size: int
    begun: float
    changed: float

    @property
    def age_days(self) -> float:
        """Days since it was last changed."""
        return max(0.0, time.time() - self.changed) / 86_400


def summarise_run(path: Path) -> RunSummary:
    """The summary of a run folder, of which only manifest and state are read."""
    run = RunFolder(path)
    manifest = read_manifest(run.manifest)
    written = [file.stat().st_mtime for file in (run.config, run.manifest, run.state, run.metrics) if file.is_file()]
    method = str(manifest.get("method") or path.parent.parent.name)
    return RunSummary(
        path,
        method,
        _subject(manifest, path),
        run_state(run),
        folder_size(path),
        folder_size(run.checkpoints),
        begun_at(path),
        max(written),
    )


def run_state(run: RunFolder) -> State:
    """How far a run came, by its state file and its lock."""
    if is_locked(run.path):
        return "running"
    try:
        state = run.read_state()
    except RunError:
        return "broken"
    try:
        stages = state.get("config", {}).get("stages")
        return "finished" if stages and set(stages) <= set(state["finished"]) else "unfinished"
    except (AttributeError, TypeError):  # other values than a state file has
        return "broken"


def in_use(path: Path) -> bool:
    """Whether a process writes a run folder, or the sweep or suite that it belongs to."""
    folders = [path.resolve(), *path.resolve().parents]
    return any((folder / LOCK_FILE).is_file() and is_locked(folder) for folder in folders)


def folder_size(folder: Path) -> int:
    """Bytes of all files of a folder; links count as themselves."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:  # it was removed meanwhile
                continue
    return total


def _subject(manifest: Mapping[str, Any], path: Path) -> str:
    picture = manifest.get("image") or manifest.get("data") or manifest.get("video")
    return str(manifest.get("prompt") or (Path(str(picture)).stem if picture else path.parent.name))

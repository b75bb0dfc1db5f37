"""Exporting a finished or stopped run anew, from its newest checkpoint, without training."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
import time
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette import registry
from maquette.config.parts import ExporterSpec, PartSpec, plain
from maquette.errors import ConfigError, RunError, did_you_mean
from maquette.export.meshed import PICTURES_FILE
from maquette.export.scenes import export_scene
from maquette.files import sole_writer, write_atomically
from maquette.kernels.devices import limit_threads
from maquette.report import write_report
from maquette.runs.part_words import configure_parts, default_settings
from maquette.stages.export import Export
from maquette.stages.finished import load_run, newest_scene
from maquette.training.manifest import read_manifest, revision, write_manifest
from maquette.training.run_folder import RunFolder

DEFAULT = ("mesh", "turntable", "contact-sheet")  # exporters of a run whose method has none
HIDDEN = ".export-"  # beginning of the name of a folder that is being written


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Args:
        folder: of the files.
        files: the files, the most useful of each exporter first.
        stage, step: which scene of the run was exported, from the checkpoint after which step; 0: it has no steps.
    """

    folder: Path
    files: tuple[Path, ...]
    stage: str
    step: int


def export_run(
    run: RunFolder,
    words: Sequence[str] = (),
    exporters: Sequence[str] = (),
    overwrite: bool = False,
    parts: Sequence[Path] = (),
) -> Exported:
    """Export the newest scene that a run has saved; its manifest records how.

    Args:
        run: a finished or stopped run.
        words: `EXPORTER.key=value` over the settings with which the run exported.
        exporters: names of exporters, or formats such as obj; none: those of the run.
        overwrite: replace files in the run's folder `export`; otherwise they go to a new folder, `export-1` and so on.
        parts: local files to take in place of those that the run names.

    Raises:
        ConfigError: there is no such exporter or setting.
        RunError: the run has saved no scene, another process writes it, or nothing could be exported.
    """
    chosen = chosen_exporters(run, words, exporters, parts)
    limit_threads()
    with sole_writer(run.path, "run"):
        for abandoned in run.path.glob(f"{HIDDEN}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        saved = newest_scene(run, parts)
        written = Path(tempfile.mkdtemp(prefix=HIDDEN, dir=run.path))
        try:
            files = export_scene(saved.scene, chosen, written)
            if not files:
                raise RunError("nothing was exported: the surface is empty; try another threshold")
            names = [file.relative_to(written) for file in files]
            folder = _replace(written, run.export) if overwrite else _publish(written, run.path)
        finally:
            shutil.rmtree(written, ignore_errors=True)
        _record(run, {
            "folder": folder.name, "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "command": shlex.join(sys.argv),
            "stage": saved.stage, "step": saved.step, "exporters": plain(chosen), "files": list(map(str, names)),
            "revision": revision(),
        })  # fmt: skip
        if overwrite:
            write_report(run.path)
    return Exported(folder, tuple(folder / name for name in names), saved.stage, saved.step)


def chosen_exporters(
    run: RunFolder, words: Sequence[str] = (), exporters: Sequence[str] = (), parts: Sequence[Path] = ()
) -> dict[str, PartSpec]:
    """The exporters of a run with their settings, or those that are named; see `export_run`.

    Raises:
        ConfigError: there is no such exporter or setting; says which are possible.
    """
    method = load_run(run, parts).method
    own: dict[str, Any] = {}
    for spec in method.stages.values():
        if isinstance(spec.config, Export.Config):
            own |= plain(spec.config.exporters)
    chosen: dict[str, dict[str, Any]] = {}
    for name in exporters or own or DEFAULT:
        _choose(name, own, chosen)
    configured = configure_parts(ExporterSpec, chosen, words)
    if not configured:
        raise ConfigError("nothing is left to export", hint="name an exporter, e.g. --exporter mesh")
    return configured


def _choose(name: str, own: Mapping[str, Any], chosen: dict[str, dict[str, Any]]) -> None:
    """Add the exporter of a name, or of a format, to those that are chosen."""
    available = registry.names("exporter")
    if name in own or name in available:
        chosen[name] = dict(own[name]) if name in own else default_settings("exporter", name)
        return
    exporter = _of_format(name, [settings["type"] for settings in own.values()])
    own_name = next((key for key, settings in own.items() if settings["type"] == exporter), exporter)
    before = chosen.get(own_name)
    settings = before or dict(own.get(own_name) or default_settings("exporter", exporter))
    chosen[own_name] = {**settings, "formats": [*(before["formats"] if before else []), name]}


def _of_format(name: str, in_use: Sequence[str]) -> str:
    """The exporter that writes a format; of several, the one that the run uses."""
    available = registry.names("exporter")
    able = [exporter for exporter in available if name in formats(exporter)]
    able = [exporter for exporter in able if exporter in in_use] or able
    if len(able) == 1:
        return able[0]
    if able:
        hint = f"give one of them, and {able[0]}.formats=[{name}]"
        raise ConfigError(f"{name} is a format of {' and of '.join(able)}", key="exporter", hint=hint)
    every = sorted({*available, *(kind for exporter in available for kind in formats(exporter))})
    hint = f"{did_you_mean(name, every)}known: {', '.join(every)}"
    raise ConfigError(f"there is no exporter or format {name!r}", key="exporter", hint=hint)


def formats(exporter: str) -> tuple[str, ...]:
    """The formats among which an exporter's setting `formats` chooses; none if it has no such setting."""
    cls = registry.get("exporter", exporter).Config
    hint = typing.get_type_hints(cls).get("formats")
    return typing.get_args(typing.get_args(hint)[0]) if hint else ()


def _publish(written: Path, run: Path) -> Path:
    """Rename the folder to the first free `export-N` of the run."""
    number = 1
    while (folder := run / f"export-{number}").exists():
        number += 1
    written.chmod(run.stat().st_mode & 0o777)  # a temporary folder is private
    return written.rename(folder)


def _replace(written: Path, export: Path) -> Path:
    """Move all files into the folder of exports, over those of the same name."""
    export.mkdir(exist_ok=True)
    for file in sorted(path for path in written.rglob("*") if path.is_file()):
        place = export / file.relative_to(written)
        if file.name == PICTURES_FILE and place.is_file():
            notes = {**_notes(place), **_notes(file)}
            write_atomically(place, json.dumps(notes, indent=1) + "\n")
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)
    return export


def _notes(file: Path) -> dict[str, Any]:
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return notes if isinstance(notes, dict) else {}


def _record(run: RunFolder, entry: Mapping[str, Any]) -> None:
    before = read_manifest(run.manifest).get("exports", [])
    write_manifest(run.manifest, exports=[*(before if isinstance(before, list) else []), entry])

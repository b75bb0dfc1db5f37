"""A run as an object: its mesh, turntable, metrics and views, read from its folder when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from maquette.config.loading import load_method
from maquette.config.schedules import Schedule
from maquette.data.formats import PosedImages, inspect_posed_images
from maquette.errors import ConfigError, RunError
from maquette.meshes.mesh import Mesh
from maquette.meshes.reading import inspect_mesh
from maquette.plugins.local import import_files, read_files
from maquette.report.embedding import data_url
from maquette.report.page import format_duration
from maquette.runs.exporting import export_run
from maquette.runs.measuring import case_of, chosen_metrics, measure_run
from maquette.scene import Scene
from maquette.stages.finished import newest_scene
from maquette.training.manifest import read_manifest
from maquette.training.run_folder import RunFolder

MESHES = ("mesh.glb", "mesh.obj", "mesh.ply")  # in export/, the first of them is read
MOVIES = ("turntable.mp4", "turntable.gif")


@dataclass(frozen=True)
class Movie:
    """A video or animated picture of a run, which a notebook plays."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        if self.path.suffix == ".gif":
            return f'<img src="{_embedded(self.path)}" alt="turntable">'
        return f'<video src="{_embedded(self.path)}" controls loop muted playsinline style="max-width:100%"></video>'


@dataclass(frozen=True)
class Run:
    """A run, by its folder; in a notebook it shows its contact sheet, its turntable and where its files are.

    Args:
        path: the run folder.
    """

    path: Path

    @property
    def folder(self) -> RunFolder:
        """Names of the files in the run folder."""
        return RunFolder(self.path)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The whole resolved configuration, as plain data."""
        return load_method(str(self.folder.config)).plain

    @property
    def manifest(self) -> dict[str, Any]:
        """Versions, seed, machine, times, memory; empty if the file is missing."""
        return read_manifest(self.folder.manifest)

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The logged values, one dictionary for each logged step with `stage` and `step`: rows of a table."""
        if not self.folder.metrics.is_file():
            return []
        lines = self.folder.metrics.read_text(encoding="utf-8").splitlines()
        return [row for line in lines if isinstance(row := _parsed(line), dict)]

    @property
    def files(self) -> dict[str, Path]:
        """Name -> path of the exported files."""
        return {path.name: path for path in sorted(self.folder.export.glob("*.*")) if path.is_file()}

    @cached_property
    def mesh(self) -> Mesh:
        """The exported mesh, in world axes. Raises RunError if none was exported."""
        return inspect_mesh(self.files[self._first(MESHES, "a mesh")]).value

    @cached_property
    def scene(self) -> Scene:
        """The object as it was optimised, from the last checkpoint. Raises RunError if none was saved."""
        return newest_scene(self.folder).scene

    @property
    def turntable(self) -> Movie:
        """The turntable. Raises RunError if none was exported."""
        return Movie(self.files[self._first(MOVIES, "a turntable")])

    @property
    def sheet(self) -> Image.Image:
        """The contact sheet: colours, normals and depth. Raises RunError if none was exported."""
        with Image.open(self.files[self._first(("sheet.png",), "a contact sheet")]) as picture:
            return picture.convert("RGB")

    @property
    def views(self) -> PosedImages | None:
        """The views that the latest of its stages sampled from a prior; None: no stage samples views."""
        folders = [self.folder.views / name for name in self.config["stages"] if (self.folder.views / name).is_dir()]
        return inspect_posed_images(folders[-1]).value if folders else None

    @property
    def report(self) -> Path:
        """The page of the run, for a browser."""
        return self.folder.report

    def export(
        self,
        *exporters: str,
        settings: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        parts: Sequence[str | Path] = (),
    ) -> list[Path]:
        """Export the scene anew, without training; returns the files.

        Args:
            exporters: their names, or formats such as "ply"; none: those of the run.
            settings: of exporters, such as {"mesh.resolution": 256}.
            overwrite: replace files in `export`; otherwise they go to a new folder, `export-1` and so on.
            parts: local files to take in place of those that the run names.

        Raises:
            MaquetteError: there is no such exporter or setting, or the run has saved no scene.
        """
        files = [Path(each) for each in parts]
        return list(export_run(self.folder, as_words(settings or {}), exporters, overwrite, files).files)

    def measure(
        self, *metrics: str, settings: Mapping[str, Any] | None = None, parts: Sequence[str | Path] = ()
    ) -> dict[str, float]:
        """Measure the scene anew, without training; returns the values by "metric/value".

        Args:
            metrics: their names; none: those that need nothing but the object.
            settings: of metrics, such as {"novel-views.size": 64}, and what they compare with: `truth` and `labels`.
            parts: local files, of metrics or to take in place of those that the run names.

        Raises:
            MaquetteError: there is no such metric or setting, what it compares with is missing, or the run has saved no
                scene.
        """
        files = [Path(each) for each in parts]
        import_files(read_files(files))
        case, words = case_of(self.folder, as_words(settings or {}), files)
        return measure_run(self.folder, chosen_metrics(metrics, words), case, parts=files).values

    def _first(self, names: tuple[str, ...], what: str) -> str:
        name = next((name for name in names if name in self.files), None)
        if name is None:
            raise RunError(f"{self.path} holds no {what.removeprefix('a ')}; export it with the stage export")
        return name

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """Facts, contact sheet, turntable and links, for a notebook."""
        facts = self.manifest
        seconds = facts.get("wall_seconds")
        line = ", ".join(
            str(fact)
            for fact in (
                facts.get("method"), facts.get("prompt") or facts.get("image"), f"seed {facts.get('seed')}",
                format_duration(seconds) if isinstance(seconds, (int, float)) else "not finished",
            )
            if fact
        )  # fmt: skip
        blocks = [f"<p><b>{escape(line)}</b></p>"]
        if "sheet.png" in self.files:
            source = _embedded(self.files["sheet.png"])
            blocks.append(f'<img src="{source}" alt="contact sheet" style="max-width:100%">')
        if any(name in self.files for name in MOVIES):
            blocks.append(self.turntable._repr_html_())
        paths = [*self.files.values(), *([self.report] if self.report.is_file() else [])]
        links = (f'<a href="{escape(str(path), quote=True)}">{escape(path.name)}</a>' for path in paths)
        return "\n".join([*blocks, f"<p>{escape(str(self.path))}: {' '.join(links)}</p>"])


def as_words(settings: Mapping[str, Any]) -> list[str]:
    """Settings as the words of the command line.

    Example:
        >>> as_words({"seed": 3, "weight": [[0, 0.5]], "prompt": "a red mug", "~stages.export": None})
        ['seed=3', 'weight=[[0, 0.5]]', 'prompt=a red mug', '~stages.export']
    """
    return [key if key.startswith("~") else f"{key}={_text(key, value)}" for key, value in settings.items()]


def _text(key: str, value: Any) -> str:
    if isinstance(value, (str, Path)):
        return str(value)
    try:
        return json.dumps(value.to_plain() if isinstance(value, Schedule) else value)
    except (TypeError, ValueError) as problem:
        hint = "give a text, a number, true or false, a list or a mapping of these"
        raise ConfigError(f"this value cannot stand in a method: {problem}", key=key, hint=hint) from None


def _embedded(path: Path) -> str:
    """The file as a data URL, or its path where it is too large for a page."""
    try:
        return data_url(path)
    except ValueError:
        return escape(str(path), quote=True)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # a line that a killed process left half written
        return None

"""Fills the report's template from a run folder; missing or broken files become notes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from markupsafe import Markup, escape

from maquette.files import write_atomically
from maquette.report.curves import Metrics, charts, read_metrics
from maquette.report.embedding import data_url, embeddable, fill_template, thumbnail_url
from maquette.report.viewer import ModelView, model_view

MAX_PREVIEWS = 24  # largest number of previews, evenly spaced over the run
PREVIEW_HEIGHT_PX = 320  # largest height of a preview; its width is at most three times that
APART = ("turntable.mp4", "sheet.png")  # files that have places of their own on the page
PICTURES_FILE = "pictures.json"  # in export/, by the exporters: file name -> what it shows

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Picture:
    """A picture as a data URL, with its caption."""

    url: str
    caption: str


@dataclass(frozen=True)
class Strip:
    """The previews of one stage, in the order of its steps."""

    stage: str
    pictures: list[Picture]


@dataclass
class Notes:
    """Notes on files of a run folder that are missing or unusable."""

    run_folder: Path
    lines: list[str] = field(default_factory=list)

    def attempt(self, path: Path, what: str, read: Callable[[Path], Loaded]) -> Loaded | None:
        """`read(path)`; None and a note if the file is missing or broken."""
        name = "/".join(path.relative_to(self.run_folder).parts)
        if not path.exists():
            self.lines.append(f"{what}: there is no {name}")
            return None
        try:
            return read(path)
        except (OSError, ValueError, SyntaxError) as problem:  # SyntaxError: Pillow, on broken PNG files
            reason = problem.strerror or type(problem).__name__ if isinstance(problem, OSError) else problem  # no paths
            self.lines.append(f"{what}: {name} cannot be used ({reason})")
            return None


def write_report(run_folder: Path) -> Path:
    """Write the `report.html` of a run: one file that needs no network.

    Args:
        run_folder: holds any of config.yaml, manifest.json, metrics.jsonl, previews/, views/, export/.

    Returns:
        The report's path.

    Raises:
        OSError: the folder cannot be written.
    """
    run_folder = Path(run_folder)
    notes, export = Notes(run_folder), run_folder / "export"
    manifest = notes.attempt(run_folder / "manifest.json", "facts", _mapping) or {}
    metrics = notes.attempt(run_folder / "metrics.jsonl", "curves", read_metrics) or Metrics()
    if metrics.unread:
        notes.lines.append(f"curves: {metrics.unread} lines of metrics.jsonl cannot be read")
    mp4, gif = _turntable(export, notes)
    pictures = (
        notes.attempt(export / PICTURES_FILE, "captions", _mapping) if (export / PICTURES_FILE).exists() else None
    )
    shows = {name: str(what) for name, what in (pictures or {}).items()}
    prompt = str(manifest.get("prompt") or "")
    page = fill_template(
        Path(__file__).with_name("template.html.j2"),
        title=prompt or _subject(manifest) or run_folder.name,
        method=str(manifest.get("method") or ""),
        facts=facts(manifest, metrics),
        mp4=mp4,
        gif=gif,
        shows=shows,
        films=_captioned(export, shows, ".mp4", "films", notes),
        stills=_captioned(export, shows, ".png", "pictures", notes),
        model=notes.attempt(export / "mesh.glb", "3D view", _model_view),
        views=_views(run_folder / "views", notes),
        sheet=notes.attempt(export / "sheet.png", "contact sheet", data_url),
        previews=_previews(run_folder / "previews", notes),
        charts=[(chart.title, Markup(chart.svg)) for chart in charts(metrics)],
        config=notes.attempt(run_folder / "config.yaml", "configuration", _highlighted),
        manifest=flatten(manifest),
        command=str(manifest.get("command") or ""),
        files=_files(run_folder),
        notes=notes.lines,
    )
    report = run_folder / "report.html"
    write_atomically(report, page)
    return report


def facts(manifest: Mapping[str, Any], metrics: Metrics) -> list[tuple[str, str]]:
    """Key facts of a run as (name, value) pairs: method, seed, steps, time, memory ...; unknown ones are left out."""
    machine, versions = _inner(manifest, "machine"), _inner(manifest, "versions")
    loss = metrics.curves.get("loss")
    seconds, memory = manifest.get("wall_seconds"), manifest.get("peak_memory_mb")
    values = {
        "method": manifest.get("method"),
        "seed": manifest.get("seed"),
        "steps": f"{metrics.last_step:,}" if metrics.curves else None,
        "ended early": "; ".join(_early_end(*item) for item in _inner(manifest, "ended_early").items()),
        "time": format_duration(seconds) if isinstance(seconds, (int, float)) else None,
        "memory": f"{memory / 1024:.1f} GB" if isinstance(memory, (int, float)) else None,
        "last loss": f"{loss.values[-1]:.4g}" if loss else None,
        "device": machine.get("gpu") or machine.get("processor"),
        "started": str(manifest.get("started") or "")[:16].replace("T", " "),
        "maquette": versions.get("maquette"),
    }
    return [(name, str(value)) for name, value in values.items() if value not in (None, "")]


def _early_end(stage: str, facts: Mapping[str, Any]) -> str:
    return f"{stage} after {facts.get('step')} of {facts.get('steps')} steps; {facts.get('reason')}"


def format_duration(seconds: float) -> str:
    """Seconds as text in hours and minutes, minutes and seconds, or seconds.

    Example:
        >>> format_duration(3725)
        '1 h 2 min'
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(int(seconds // 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {int(seconds % 60)} s"


def flatten(value: Any, key: str = "") -> list[tuple[str, str]]:
    """Nested mappings as (dotted key, text) rows; lists of plain values are joined."""
    if isinstance(value, Mapping):
        return [row for name, item in value.items() for row in flatten(item, f"{key}.{name}".lstrip("."))]
    if isinstance(value, list):
        return [(key, ", ".join(map(str, value)))]
    return [(key, "" if value is None else str(value))]


def _mapping(path: Path) -> Mapping[str, Any]:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(loaded, Mapping):
        raise ValueError("it is not a mapping")
    return loaded


def _inner(manifest: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = manifest.get(key)
    return value if isinstance(value, Mapping) else {}


def _subject(manifest: Mapping[str, Any]) -> str:
    path = manifest.get("image") or manifest.get("video")
    seed = manifest.get("seed")
    return Path(str(path)).stem if path else "" if seed is None else f"seed {seed}"


def _views(folder: Path, notes: Notes) -> list[Picture]:
    """The sheets of sampled views."""
    urls = [(path, notes.attempt(path, "views", data_url)) for path in sorted(folder.glob("*.png"))]
    return [Picture(url, path.stem) for path, url in urls if url is not None]


def _captioned(export: Path, shows: Mapping[str, str], suffix: str, what: str, notes: Notes) -> list[Picture]:
    """Exported files with captions of their own: films or pictures, but for the turntable and the contact sheet."""
    names = [name for name in shows if name.endswith(suffix) and "/" not in name and name not in APART]
    urls = [(name, notes.attempt(export / name, what, data_url)) for name in names]
    return [Picture(url, shows[name]) for name, url in urls if url is not None]


def _turntable(export: Path, notes: Notes) -> tuple[str | None, str | None]:
    """URLs of the video and of the picture that stands in for it.

    Beside a video the GIF, ten times as large, stays a file, which the page loads only where the video fails.
    """
    video, animation = export / "turntable.mp4", export / "turntable.gif"
    if not video.exists() and animation.exists():
        return None, notes.attempt(animation, "turntable", data_url)
    mp4 = notes.attempt(video, "turntable", data_url)
    if not embeddable(animation):
        return mp4, None
    return mp4, "export/turntable.gif" if mp4 else data_url(animation)


def _model_view(glb: Path) -> ModelView:
    if not embeddable(glb):
        raise ValueError(f"it has {glb.stat().st_size / 2**20:.0f} MB, too many to embed in a page")
    return model_view(glb)


def _previews(folder: Path, notes: Notes) -> list[Strip]:
    """A strip for each stage that wrote previews, from `previews/STAGE/STEP.png`."""
    folders = sorted((path for path in folder.glob("*") if path.is_dir()), key=_first_written)
    strips = [Strip(stage.name, _thumbnails(stage, notes)) for stage in folders]
    strips_with_pictures = [strip for strip in strips if strip.pictures]
    if not any(True for stage in folders for _ in stage.glob("*.png")):
        notes.lines.append("previews: there are none; stages.STAGE.loop.preview_every=100 makes one each 100 steps")
    return strips_with_pictures


def _first_written(folder: Path) -> tuple[float, str]:
    """Sorts stages as they ran; those without previews come last."""
    return min((path.stat().st_mtime for path in folder.glob("*.png")), default=float("inf")), folder.name


def _thumbnails(folder: Path, notes: Notes) -> list[Picture]:
    paths = sorted(folder.glob("*.png"))
    count = min(len(paths), MAX_PREVIEWS)
    chosen = [paths[round(i * (len(paths) - 1) / max(count - 1, 1))] for i in range(count)]
    thumbnails = [notes.attempt(path, "previews", _thumbnail) for path in chosen]
    return [thumbnail for thumbnail in thumbnails if thumbnail is not None]


def _thumbnail(path: Path) -> Picture:
    caption = f"step {int(path.stem):,}" if path.stem.isdigit() else path.stem
    return Picture(thumbnail_url(path, 3 * PREVIEW_HEIGHT_PX, PREVIEW_HEIGHT_PX), caption)


def _highlighted(path: Path) -> Markup:
    """YAML as HTML with highlighted keys and comments; all text is escaped."""
    text = str(escape(path.read_text(encoding="utf-8")))
    text = re.sub(r"^(\s*(?:- )*)([\w.$-]+)(:)(?=\s|$)", r"\1<b>\2</b>\3", text, flags=re.MULTILINE)
    return Markup(re.sub(r"(^|\s)(# .*)$", r"\1<i>\2</i>", text, flags=re.MULTILINE))


def _files(run_folder: Path) -> list[tuple[str, str]]:
    paths = sorted(path for path in (run_folder / "export").glob("*.*") if path.is_file() and path.name[0] != ".")
    return [(f"export/{path.name}", format_size(path.stat().st_size)) for path in paths]


def format_size(count: int) -> str:
    """Bytes as text in MB or KB."""
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{max(1, round(count / 1024))} KB"

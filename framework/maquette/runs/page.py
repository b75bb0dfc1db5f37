"""Pages of several runs: one file each, which needs no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maquette.files import write_atomically
from maquette.report.embedding import fill_template, thumbnail_url
from maquette.runs.comparing import Comparison

LARGEST_WIDTH_PX = 720  # of an embedded picture


def write_comparison(comparison: Comparison, names: Sequence[str], path: Path) -> Path:
    """Write a comparison as a page: pictures side by side, then tables.

    Args:
        comparison: of the runs.
        names: what the runs are called, in their order.
        path: of the page; its folder is made if it is missing.

    Raises:
        OSError: it cannot be written.
    """
    runs = [
        {
            "name": name,
            "state": facts.state,
            "picture": embedded(facts.picture) if facts.picture else None,
            "report": link(facts.run.report, path),
        }
        for name, facts in zip(names, comparison.runs, strict=True)
    ]
    tables = [
        ("Metrics", comparison.metrics),
        ("Times", comparison.times),
        ("Settings that differ", comparison.settings),
    ]
    return write_page("compare.html.j2", path, runs=runs, tables=tables)


def write_page(template: str, path: Path, **values: Any) -> Path:
    """Fill a template of this folder and write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, fill_template(Path(__file__).with_name(template), **values))
    return path


def embedded(path: Path, width: int = LARGEST_WIDTH_PX) -> str | None:
    """A picture as a data URL, no wider than `width`; None if it cannot be read."""
    try:
        return thumbnail_url(path, width, 4 * width)
    except (OSError, ValueError, SyntaxError):
        return None


def link(target: Path, page: Path) -> str:
    """The address of a file relative to a page; empty if there is no such file."""
    return Path(os.path.relpath(target.resolve(), page.parent.resolve())).as_posix() if target.is_file() else ""

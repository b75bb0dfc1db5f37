"""The contact sheet of a suite: the views of all its results."""

from __future__ import annotations

from pathlib import Path

from maquette.bench.measuring import VIEWS_FILE, read_views
from maquette.bench.running import SuiteRun
from maquette.runs.view_sheets import write_sheet

SHEET_FILE = "sheet.png"


def write_suite_sheet(run: SuiteRun) -> Path | None:
    """Write the views of all units to `<results>/<suite>@<version>/sheet.png`; None: there are none."""
    several = len({row.job.column for row in run.rows}) > 1
    rows = [
        (
            f"{row.job.column}: {row.job.case.title}" if several else row.job.case.title,
            read_views(row.folder / VIEWS_FILE),
        )
        for row in run.rows
    ]
    if not any(pictures for _, pictures in rows):
        return None
    path = run.results / run.suite.title / SHEET_FILE
    write_sheet(rows, path)
    return path

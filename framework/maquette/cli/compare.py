"""The command `maquette compare`: runs beside each other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from maquette.files import display_path


def compare(
    runs: Annotated[list[str], typer.Argument(help="run folders, last, or the folder of a suite's or sweep's runs")],
    output: Annotated[Path | None, typer.Option(help="the page [outputs/compare/TIME.html]")] = None,
) -> None:
    """Compare runs: settings that differ, metrics, times, and a page with their pictures side by side.

    maquette compare outputs/dreamfusion/a-red-mug/20260101-120000 last

    maquette compare outputs/sweeps/dreamfusion-seed

    Metrics are those of stages that evaluate, and what `maquette measure` has measured.
    """
    from maquette.errors import ConfigError, RunError
    from maquette.runs.comparing import compare_runs
    from maquette.runs.folders import find_runs
    from maquette.runs.page import write_comparison

    folders = find_runs(runs)
    if len(folders) < 2:
        raise ConfigError("a comparison needs two runs", hint="give two run folders, or a folder that holds several")
    comparison = compare_runs(folders)
    names = [display_path(run.path) for run in folders]
    for number, (name, facts) in enumerate(zip(names, comparison.runs, strict=True), start=1):
        typer.echo(f"{number}: {name}{'' if facts.state == 'finished' else f' ({facts.state})'}")
    tables = (("setting", comparison.settings), ("metric", comparison.metrics), ("time", comparison.times))
    for title, rows in tables:
        _print(title, rows, len(names))
    page = output or Path("outputs") / "compare" / f"{time.strftime('%Y%m%d-%H%M%S')}.html"
    try:
        typer.echo(f"\npage: {display_path(write_comparison(comparison, names, page))}")
    except OSError as problem:
        raise RunError(f"cannot write {display_path(page)}: {problem.strerror or problem}") from None


def _print(title: str, rows: Sequence[Any], count: int) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(title, overflow="fold")
    for number in range(count):
        table.add_column(str(number + 1), overflow="fold")
    for row in rows:
        values = (
            f"[bold green]{escape(value)}[/]" if index in row.best else escape(value or "-")
            for index, value in enumerate(row.values)
        )
        table.add_row(escape(row.name), *values)
    typer.echo()
    Console().print(table)

"""The command `maquette clean`: lists runs, and deletes some by rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from maquette.files import display_path


def clean(
    folder: Annotated[Path, typer.Argument(help="folder of the runs")] = Path("outputs"),
    older_than: Annotated[
        str, typer.Option("--older-than", help="only runs that were last changed longer ago: 12h, 30d, 2w, 1y")
    ] = "",
    unfinished: Annotated[bool, typer.Option("--unfinished", help="only runs that are unfinished or broken")] = False,
    keep_last: Annotated[int | None, typer.Option("--keep-last", min=0, help="all but the newest so many runs")] = None,
    checkpoints_only: Annotated[
        bool,
        typer.Option(
            "--checkpoints-only",
            help="delete only the checkpoints, of finished runs: files and report stay, resume, export and measure end",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
) -> None:
    """List runs with state, size and age; with rules, delete those that all of them name, after a question.

    maquette clean

    maquette clean --older-than 30d --unfinished

    maquette clean --checkpoints-only --keep-last 10

    A run that is being written stays, and links are not followed.
    """
    from maquette.errors import RunError
    from maquette.report.page import format_size
    from maquette.runs.cleaning import Rules, delete_run, list_runs, parse_age

    rules = Rules(parse_age(older_than) if older_than else None, unfinished, keep_last, checkpoints_only)
    runs = list_runs(folder)
    chosen = rules.select(runs)
    _print(runs if rules.empty else chosen)
    if rules.empty or not chosen:
        what = f"{_runs(len(runs))}, {format_size(sum(run.size for run in runs))}"
        typer.echo(f"{what}; delete some with --older-than, --unfinished, --keep-last or --checkpoints-only")
        return
    size = format_size(sum(map(rules.bytes_of, chosen)))
    what = f"{'the checkpoints of ' if checkpoints_only else ''}{len(chosen)} of {_runs(len(runs))}"
    if not yes and not typer.confirm(f"delete {what}, {size}?"):
        typer.echo("nothing was deleted")
        return
    problems = []
    for run in chosen:
        try:
            delete_run(run, folder, checkpoints_only)
        except RunError as problem:
            problems.append(f"{display_path(run.path)} stays: {problem}")
    for line in problems:
        typer.secho(line, fg="yellow", err=True)
    typer.echo(f"deleted {'the checkpoints of ' if checkpoints_only else ''}{_runs(len(chosen) - len(problems))}")
    if problems:
        raise typer.Exit(1)


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _print(runs: Sequence[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from maquette.report.page import format_size

    table = Table(box=None, pad_edge=False)
    for column in ("method", "prompt", "state", "size", "checkpoints", "age", "run"):
        table.add_column(
            column, justify="right" if column in ("size", "checkpoints", "age") else "left", overflow="fold"
        )
    for run in runs:
        checkpoints = format_size(run.checkpoint_size) if run.checkpoint_size else "-"
        place = display_path(run.path)
        table.add_row(run.method, run.prompt, run.state, format_size(run.size), checkpoints, _age(run.age_days), place)
    if runs:
        Console().print(table, markup=False)


def _age(days: float) -> str:
    if days < 1:
        minutes = int(days * 24 * 60)
        return f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
    return f"{int(days)} d"

"""The command `maquette clean`: lists runs, and deletes some by rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maquette.files import display_path

if TYPE_CHECKING:
    from maquette.runs.folders import RunSummary

LONGEST_PROMPT = 40  # letters of a prompt in the list


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
    total = f"{_runs(len(runs))}, {format_size(sum(run.size for run in runs))}"
    if rules.empty or not chosen:
        options = "; delete some with --older-than, --unfinished, --keep-last or --checkpoints-only"
        typer.echo(total + options if rules.empty else f"the rules name none of {total}")
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


def _print(runs: Sequence[RunSummary]) -> None:
    """A line for each run, its folder last and unbroken, so that it can be copied."""
    from maquette.report.page import format_size

    rows = [("method", "prompt", "state", "size", "checkpoints", "age", "run")]
    for run in runs:
        prompt = run.prompt if len(run.prompt) <= LONGEST_PROMPT else f"{run.prompt[: LONGEST_PROMPT - 1]}…"
        checkpoints = format_size(run.checkpoint_size) if run.checkpoint_size else "-"
        age, size = _age(run.age_days), format_size(run.size)
        rows.append((run.method, prompt, run.state, size, checkpoints, age, display_path(run.path)))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows if runs else []:
        typer.echo("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[6]]))


def _age(days: float) -> str:
    if days < 1:
        minutes = int(days * 24 * 60)
        return f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
    return f"{int(days)} d"

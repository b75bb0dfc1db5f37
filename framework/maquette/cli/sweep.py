"""`maquette run --sweep` and `--prompts`: many runs, their progress, and what they gave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from maquette.cli.progress import progress_bar
from maquette.files import display_path


def print_sweep(
    method: str, words: Sequence[str], prompts: str, split: bool, jobs: int, name: str, parts: Sequence[Path] = ()
) -> None:
    """Run a sweep and print its progress and results; exit code 1 if a run failed.

    Args:
        method, words: as for a single run.
        prompts: a file of prompts, or `lib:NAME`; "": the prompt is among the words.
        split: whether commas separate values.
        jobs: runs at a time.
        name: of the sweep's folder; "": made of the method and the keys.
        parts: files and folders of local parts.
    """
    from maquette.runs.prompts import read_prompts
    from maquette.runs.sweep_results import run_sweep
    from maquette.runs.sweeps import plan_sweep

    listed = read_prompts(prompts) if prompts else []
    prompts_name = Path(prompts.removeprefix("lib:")).stem or "prompt"
    sweep = plan_sweep(method, words, listed, name, split, prompts_name, parts)
    typer.echo(f"sweep: {len(sweep.jobs)} runs in {display_path(sweep.root)}")
    with progress_bar("sweep", len(sweep.jobs)) as show:
        result = run_sweep(sweep, jobs, show)
    _print_table(result)
    for row in result.failed:
        typer.secho(f"FAILED: {row.job.label}: {row.error} (log: {display_path(row.job.log)})", fg="red", err=True)
    for file in result.files:
        typer.echo(f"  {display_path(file)}")
    if result.failed:
        typer.echo(f"{len(result.failed)} of {len(result.rows)} runs failed; the same command tries them again")
        raise typer.Exit(1)


def _print_table(result: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    metrics = list(dict.fromkeys(name for row in result.rows for name in row.metrics))
    table = Table(box=None, pad_edge=False)
    for column in (*result.sweep.keys, "state", "seconds", *metrics):
        table.add_column(column, overflow="fold")
    for row in result.rows:
        values = [row.job.values[key] for key in result.sweep.keys]
        figures = [f"{row.metrics[name]:.4g}" if name in row.metrics else "-" for name in metrics]
        seconds = "-" if row.seconds is None else f"{row.seconds:.1f}"
        table.add_row(*values, "failed" if row.error else "finished", seconds, *figures)
    typer.echo()
    Console().print(table, markup=False)
    typer.echo()

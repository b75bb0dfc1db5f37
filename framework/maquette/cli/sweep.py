"""`maquette run --sweep` and `--prompts`: many runs, their progress, and what they gave."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from maquette.files import display_path

if TYPE_CHECKING:
    from maquette.runs.sweep_results import SweepProgress


def print_sweep(method: str, words: Sequence[str], prompts: str, split: bool, jobs: int, name: str) -> None:
    """Run a sweep and print its progress and results; exit code 1 if a run failed.

    Args:
        method, words: as for a single run.
        prompts: a file of prompts, or `lib:NAME`; "": the prompt is among the words.
        split: whether commas separate values.
        jobs: runs at a time.
        name: of the sweep's folder; "": made of the method and the keys.
    """
    from maquette.runs.prompts import read_prompts
    from maquette.runs.sweep_results import run_sweep
    from maquette.runs.sweeps import plan_sweep

    listed = read_prompts(prompts) if prompts else []
    sweep = plan_sweep(method, words, listed, name, split, Path(prompts.removeprefix("lib:")).stem or "prompt")
    typer.echo(f"sweep: {len(sweep.jobs)} runs in {display_path(sweep.root)}")
    with _progress(len(sweep.jobs)) as show:
        result = run_sweep(sweep, jobs, show)
    _print_table(result)
    for row in result.failed:
        typer.secho(f"FAILED: {row.job.label}: {row.error} (log: {display_path(row.job.log)})", fg="red", err=True)
    for file in result.files:
        typer.echo(f"  {display_path(file)}")
    if result.failed:
        typer.echo(f"{len(result.failed)} of {len(result.rows)} runs failed; the same command tries them again")
        raise typer.Exit(1)


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A live bar on a terminal, a line for each run elsewhere."""
    if not sys.stderr.isatty():
        yield print_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.text import Text

    class Now(ProgressColumn):
        """The time that is left, and what runs."""

        max_refresh = 1.0

        def render(self, task: Task) -> Text:
            progress = task.fields["progress"]
            if progress is None:
                return Text("")
            running = ", ".join(f"{job.label} {fraction:.0%}" for job, fraction in progress.running)
            return Text(f"eta {_eta(progress)}  {running}", overflow="ellipsis", no_wrap=True)

    bar = Progress(
        TextColumn("sweep"), BarColumn(), MofNCompleteColumn(), Elapsed(), Now(), console=Console(stderr=True)
    )
    task = bar.add_task("sweep", total=total, progress=None)

    def show(progress: SweepProgress) -> None:
        bar.update(task, completed=len(progress.rows), progress=progress)
        if progress.rows:
            bar.console.print(_line(progress), markup=False, highlight=False)

    with bar:
        yield show


def print_progress(progress: SweepProgress) -> None:
    """Print the run of a sweep that ended last, and the time that is left."""
    if progress.rows:
        typer.echo(f"{_line(progress)}, eta {_eta(progress)}", err=True)


def _line(progress: SweepProgress) -> str:
    row, count = progress.rows[-1], f"{len(progress.rows)}/{len(progress.sweep.jobs)}"
    result = row.error or ("finished before" if row.repeated else f"{row.seconds or 0:.1f} s")
    return f"{count}  {row.job.label}: {'FAILED: ' if row.error else ''}{result}"


def _eta(progress: SweepProgress) -> str:
    seconds = progress.eta_seconds()
    if seconds is None:
        return "unknown" if len(progress.rows) < len(progress.sweep.jobs) else "0:00"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


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

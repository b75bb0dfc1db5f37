"""The progress of many runs on a terminal: of sweeps and suites."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from maquette.runs.progress import Progress


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Any]:
    """A live bar on a terminal, a line for each run elsewhere; yields what shows a `Progress`."""
    if not sys.stderr.isatty():
        yield print_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
    from rich.progress import Progress as Bar
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

    bar = Bar(TextColumn(what), BarColumn(), MofNCompleteColumn(), Elapsed(), Now(), console=Console(stderr=True))
    task = bar.add_task(what, total=total, progress=None)

    def show(progress: Progress) -> None:
        bar.update(task, completed=len(progress.rows), progress=progress)
        if progress.rows:
            bar.console.print(_line(progress), markup=False, highlight=False)

    with bar:
        yield show


@contextmanager
def live_table(total: int) -> Iterator[Any]:
    """A live table of the units of a suite by method, with the time that is left; a line for each run elsewhere."""
    if not sys.stderr.isatty():
        yield print_progress
        return
    from rich.console import Console
    from rich.live import Live

    latest: list[Progress] = []

    def table() -> Any:
        return units_table(latest[-1], total) if latest else ""

    with Live(console=Console(stderr=True), refresh_per_second=2, transient=True, get_renderable=table):
        yield latest.append


def units_table(progress: Progress, total: int) -> Any:
    """A table with a line for each method: units that are done, failed, running and waiting, and the time that is left.

    Args:
        progress: of units, each with its `column`.
        total: number of all units.
    """
    from rich.table import Table

    title = f"{len(progress.rows)} of {total} runs, eta {_eta(progress)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("method", "done", "failed", "running", "waiting", "seconds"):
        table.add_column(column, justify="left" if column == "method" else "right")
    jobs, running = list[Any](progress.jobs), list[Any](progress.running)
    for method in dict.fromkeys(job.column for job in jobs):
        rows = [row for row in progress.rows if row.job.column == method]
        failed, seconds = sum(bool(row.error) for row in rows), [row.seconds for row in rows if row.seconds]
        now = [fraction for job, fraction in running if job.column == method]
        units = sum(job.column == method for job in jobs)
        mean = f"{sum(seconds) / len(seconds):.1f}" if seconds else ""
        percent = ", ".join(f"{fraction:.0%}" for fraction in now)
        table.add_row(method, str(len(rows) - failed), str(failed), percent, str(units - len(rows) - len(now)), mean)
    return table


def print_progress(progress: Progress) -> None:
    """Print the run that ended last, and the time that is left."""
    if progress.rows:
        typer.echo(f"{_line(progress)}, eta {_eta(progress)}", err=True)


def _line(progress: Progress) -> str:
    row, count = progress.rows[-1], f"{len(progress.rows)}/{len(progress.jobs)}"
    result = row.error or ("finished before" if row.repeated else f"{row.seconds or 0:.1f} s")
    return f"{count}  {row.job.label}: {'FAILED: ' if row.error else ''}{result}"


def _eta(progress: Progress) -> str:
    seconds = progress.eta_seconds()
    if seconds is None:
        return "unknown" if len(progress.rows) < len(progress.jobs) else "0:00"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

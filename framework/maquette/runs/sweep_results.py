"""Running a sweep: its progress, and the table, page and contact sheet of its runs."""

from __future__ import annotations

import csv
import io
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maquette.errors import MaquetteError
from maquette.files import display_path, sole_writer, write_atomically
from maquette.runs.comparing import picture_of, read_facts
from maquette.runs.jobs import Outcome, run_jobs
from maquette.runs.page import embedded, link, write_page
from maquette.runs.progress import Progress
from maquette.runs.sweeps import Sweep, SweepJob
from maquette.runs.view_sheets import sheet_views, write_sheet
from maquette.stages.finished import finished_scene
from maquette.training.manifest import read_manifest

VIEWS = 4  # of each run on the contact sheet
TABLE_FILE, PAGE_FILE, SHEET_FILE = "results.csv", "index.html", "sheet.png"


@dataclass(frozen=True)
class SweepRow:
    """The result of one run of a sweep.

    Args:
        job: the run.
        error: why it failed; empty if it did not.
        repeated: whether it was finished before.
        seconds: how long it took; None: unknown.
        metrics: name -> value, of the stages that evaluate and of `maquette measure`.
    """

    job: SweepJob
    error: str
    repeated: bool
    seconds: float | None
    metrics: dict[str, float]


@dataclass(frozen=True)
class SweepResult:
    """The results of a sweep, in the order of its jobs, and the files that show them."""

    sweep: Sweep
    rows: tuple[SweepRow, ...]
    files: tuple[Path, ...]

    @property
    def failed(self) -> list[SweepRow]:
        """The runs that failed."""
        return [row for row in self.rows if row.error]


def run_sweep(
    sweep: Sweep, processes: int = 1, on_result: Callable[[Progress], None] = lambda progress: None
) -> SweepResult:
    """Run the unfinished jobs of a sweep, and write its table, page and contact sheet into its folder.

    A finished run is used again if its fingerprint is that of the job; a stopped one goes on. A failed job stops no
    other.

    Args:
        sweep: what to run.
        processes: number of parallel runs.
        on_result: called before the first run and after each.

    Raises:
        RunError: another process is running a sweep in this folder.
        KeyboardInterrupt: by Ctrl-C, after all runs have saved a checkpoint; says how many are finished.
    """
    sweep.root.mkdir(parents=True, exist_ok=True)
    progress = Progress(sweep.jobs)
    pictures: dict[SweepJob, list[np.ndarray]] = {}
    with sole_writer(sweep.root, "sweep"):
        try:
            on_result(progress)
            with closing(run_jobs(sweep.jobs, processes)) as outcomes:
                for outcome in outcomes:
                    pictures[outcome.job] = _pictures(outcome)
                    progress.rows.append(_row(outcome))
                    on_result(progress)
        except KeyboardInterrupt as problem:
            finished = sum(job.finished for job in sweep.jobs)
            problem.args = (
                f"interrupted; {finished} of {len(sweep.jobs)} runs are finished; go on with the same command",
            )
            raise
        results = {row.job: row for row in progress.rows}
        rows = tuple(results[job] for job in sweep.jobs)
        return SweepResult(sweep, rows, tuple(_write(sweep, rows, [(job.label, pictures[job]) for job in sweep.jobs])))


def _row(outcome: Outcome[SweepJob]) -> SweepRow:
    run = outcome.job.run
    if outcome.error or run is None:
        return SweepRow(outcome.job, outcome.error or "there is no run", outcome.repeated, None, {})
    seconds = read_manifest(run.manifest).get("wall_seconds")
    return SweepRow(outcome.job, "", outcome.repeated, seconds, dict(read_facts(run).metrics))


def _pictures(outcome: Outcome[SweepJob]) -> list[np.ndarray]:
    run = outcome.job.run
    if outcome.error or run is None:
        return []
    try:
        return sheet_views(finished_scene(run), VIEWS)
    except MaquetteError:  # a method that makes no scene, or one whose checkpoints are gone
        return []


def _write(sweep: Sweep, rows: Sequence[SweepRow], pictures: Sequence[tuple[str, Sequence[np.ndarray]]]) -> list[Path]:
    """Write the files, the page first."""
    metrics = list(dict.fromkeys(name for row in rows for name in row.metrics))
    table, page, sheet = (sweep.root / name for name in (TABLE_FILE, PAGE_FILE, SHEET_FILE))
    write_atomically(table, _csv(sweep, rows, metrics))
    pictured = any(some for _, some in pictures)
    if pictured:
        write_sheet(pictures, sheet)
    write_page(
        "sweep.html.j2", page, name=sweep.name, method=sweep.method, keys=sweep.keys, metrics=metrics,
        rows=[_for_page(row, metrics, page) for row in rows], failed=sum(bool(row.error) for row in rows),
        sheet=embedded(sheet, 4096) if pictured else None, command=shlex.join(["maquette", *sys.argv[1:]]),
    )  # fmt: skip
    return [page, table, *([sheet] if pictured else [])]


def _csv(sweep: Sweep, rows: Sequence[SweepRow], metrics: Sequence[str]) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow([*sweep.keys, "state", "seconds", *metrics, "error", "run", "fingerprint"])
    for row in rows:
        run = row.job.run
        table.writerow([
            *(row.job.values[key] for key in sweep.keys), "failed" if row.error else "finished",
            "" if row.seconds is None else row.seconds, *(row.metrics.get(name, "") for name in metrics), row.error,
            display_path(run.path) if run else "", row.job.fingerprint.digest,
        ])  # fmt: skip
    return stream.getvalue()


def _for_page(row: SweepRow, metrics: Sequence[str], page: Path) -> dict[str, Any]:
    run = row.job.run
    picture = picture_of(run) if run and not row.error else None
    return {
        "values": [row.job.values[key] for key in row.job.values],
        "error": row.error,
        "seconds": "" if row.seconds is None else f"{row.seconds:.1f}",
        "metrics": [f"{row.metrics[name]:.4g}" if name in row.metrics else "" for name in metrics],
        "picture": embedded(picture, 320) if picture else None,
        "label": row.job.label,
        "link": link(run.report, page) if run and not row.error else link(row.job.log, page),
    }

"""Runs the cases of a suite in separate processes, so that a failed run does not affect the others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from maquette.bench.suites import Suite
from maquette.metrics.base import Case
from maquette.training.run_folder import RunFolder, slug


@dataclass(frozen=True)
class Job:
    """One case with one seed.

    Args:
        case, seed: the case and its seed.
        folder: holds the job's run folder and log; kept between calls, so that a stopped suite can be resumed.
    """

    case: Case
    seed: int
    folder: Path

    @property
    def run(self) -> RunFolder | None:
        """The job's latest run; None: it was never started."""
        configs = sorted(self.folder.glob("*/*/*/config.yaml"), key=lambda path: path.stat().st_mtime)
        return RunFolder.open(configs[-1].parent) if configs else None

    @property
    def finished(self) -> bool:
        """Whether the run succeeded."""
        return self.run is not None and (self.folder / "finished").is_file()


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job: `error` is empty on success, else the last line of the run's log."""

    job: Job
    error: str = ""


def suite_jobs(suite: Suite, root: Path) -> list[Job]:
    """All jobs of a suite, case by case."""
    return [
        Job(case, seed, root / f"{index:03d}-{slug(case.prompt)}-seed{seed}")
        for index, case in enumerate(suite.cases)
        for seed in suite.seeds
    ]


def run_jobs(suite: Suite, jobs: list[Job], processes: int, overrides: list[str]) -> Iterator[Outcome]:
    """Run the unfinished jobs, `processes` in parallel; yields outcomes as they complete.

    The machine's cores are divided among the processes.
    """
    threads = max(1, (os.cpu_count() or 1) // processes)
    with ThreadPoolExecutor(processes) as pool:
        waiting = [pool.submit(_run_one, suite, job, threads, overrides) for job in jobs]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run_one(suite: Suite, job: Job, threads: int, overrides: list[str]) -> Outcome:
    if job.finished:
        return Outcome(job)
    job.folder.mkdir(parents=True, exist_ok=True)
    previous = job.run
    words = [
        suite.method, f"prompt={job.case.prompt}", f"seed={job.seed}", f"output={job.folder}",
        *suite.overrides, *overrides,
    ] if previous is None else ["--resume", str(previous.path)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads)}
    with (job.folder / "log.txt").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "maquette", "run", *words], stdout=log, stderr=subprocess.STDOUT, env=environment
        )
    if done.returncode == 0:
        (job.folder / "finished").touch()
        return Outcome(job)
    lines = (job.folder / "log.txt").read_text().strip().splitlines()
    return Outcome(job, lines[-1] if lines else f"exit code {done.returncode}")

"""Runs the cases of a suite in separate processes, so that a failed run does not affect the others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from maquette.bench.suites import Suite
from maquette.config.loading import load_method
from maquette.errors import ConfigError
from maquette.kernels.devices import available_cores
from maquette.metrics.base import Case
from maquette.training.fingerprint import Fingerprint, fingerprint
from maquette.training.manifest import read_manifest
from maquette.training.run_folder import RunFolder, slug
from maquette.training.signals import SIGNALS, handled

STOPPING = tuple(number for number in SIGNALS if number != signal.SIGINT)  # Ctrl-C reaches the runs by itself


@dataclass(frozen=True, eq=False)
class Job:
    """One case with one seed.

    Args:
        case, seed: the case and its seed.
        words: arguments of `maquette run`, without the output folder.
        fingerprint: what the result depends on; only a run with the same one counts as this job's.
        stages: names of the method's stages.
        root: folder of the suite's runs, kept between calls, so that a stopped suite can be resumed.
    """

    case: Case
    seed: int
    words: tuple[str, ...]
    fingerprint: Fingerprint
    stages: tuple[str, ...]
    root: Path

    @property
    def folder(self) -> Path:
        """Holds the job's run folder and log; another fingerprint has another folder."""
        return self.root / f"{slug(self.case.prompt)}-seed{self.seed}-{self.fingerprint.digest[:10]}"

    @property
    def run(self) -> RunFolder | None:
        """The job's latest run; None: there is none with its fingerprint."""
        configs = sorted(self.folder.glob("*/*/*/config.yaml"), key=lambda path: path.stat().st_mtime)
        runs = [RunFolder.read(path.parent) for path in reversed(configs)]
        return next((run for run in runs if recorded_digest(run) == self.fingerprint.digest), None)

    @property
    def finished(self) -> bool:
        """Whether the run finished all stages."""
        run = self.run
        return run is not None and run.read_state()["finished"] == list(self.stages)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job: `error` is empty on success, else the last line of the run's log."""

    job: Job
    error: str = ""


def recorded_digest(run: RunFolder) -> str:
    """The digest of the fingerprint that a run was started with; empty if it recorded none."""
    return str(read_manifest(run.manifest).get("fingerprint", {}).get("digest", ""))


def suite_jobs(suite: Suite, root: Path, overrides: Sequence[str] = ()) -> list[Job]:
    """All jobs of a suite, case by case.

    Raises:
        ConfigError: the method, an override or a prompt is invalid.
    """
    return [_job(suite, case, seed, root, overrides) for case in suite.cases for seed in suite.seeds]


def _job(suite: Suite, case: Case, seed: int, root: Path, overrides: Sequence[str]) -> Job:
    words = [f"prompt={case.prompt}", f"seed={seed}", *suite.overrides, *overrides]
    resolved = load_method(suite.method, words)
    if resolved.local_files:
        raise ConfigError(
            f"{suite.method} has parts in local files, which a suite does not import", key="plugins",
            hint="make them a plugin: CONTRIBUTING.md",
        )  # fmt: skip
    stages = tuple(resolved.method.stages)
    return Job(case, seed, (suite.method, *words), fingerprint(resolved), stages, root)


def run_jobs(jobs: Sequence[Job], processes: int) -> Iterator[Outcome]:
    """Run the unfinished jobs, `processes` in parallel; yields outcomes as they complete.

    The available cores are divided among the processes. SIGTERM and SIGHUP stop the runs, each of which saves a
    checkpoint first.
    """
    children = _Children()
    threads = max(1, available_cores() // processes)
    distinct = {job.folder: job for job in jobs}
    with ThreadPoolExecutor(processes) as pool, handled(STOPPING, _exit):
        waiting = [pool.submit(_run_one, job, threads, children) for job in distinct.values()]
        try:
            for done in as_completed(waiting):
                outcome = done.result()
                yield from (Outcome(job, outcome.error) for job in jobs if job.folder == outcome.job.folder)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise


@dataclass
class _Children:
    """Processes of runs, which end with the suite."""

    running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    stopped: bool = False

    def run(self, command: Sequence[str], **settings: Any) -> int:
        child = subprocess.Popen(command, **settings)
        self.running.add(child)
        try:
            if self.stopped:
                child.terminate()
            return child.wait()
        finally:
            self.running.discard(child)

    def stop(self) -> None:
        self.stopped = True
        for child in tuple(self.running):
            child.terminate()


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _run_one(job: Job, threads: int, children: _Children) -> Outcome:
    if job.finished:
        return Outcome(job)
    job.folder.mkdir(parents=True, exist_ok=True)
    begun = job.run
    words = [*job.words, f"output={job.folder}"] if begun is None else ["--resume", str(begun.path)]
    environment = {"OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads), **os.environ}
    command = [sys.executable, "-m", "maquette", "run", *words]
    with (job.folder / "log.txt").open("w") as log:
        code = children.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    if code == 0 and job.finished:
        return Outcome(job)
    lines = (job.folder / "log.txt").read_text(errors="replace").strip().splitlines()
    if code == 0:
        return Outcome(job, "the code, the weights or an input changed after the suite began: run it again")
    return Outcome(job, lines[-1] if lines else f"exit code {code}")

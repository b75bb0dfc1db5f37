"""Many runs in separate processes, so that a failed one does not affect the others; finished ones are not repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from maquette.config.loading import ResolvedConfig
from maquette.errors import MaquetteError
from maquette.kernels.cores import available_cores
from maquette.training.fingerprint import Fingerprint, fingerprint
from maquette.training.manifest import read_manifest
from maquette.training.run_folder import RunFolder
from maquette.training.signals import ending_by_signals

LOG_FILE = "log.txt"  # in the folder of a job


@dataclass(frozen=True, eq=False)
class Job:
    """A run that is to be made, or that was made before.

    Args:
        name: of its folder, before the fingerprint.
        words: arguments of `maquette run`, without the output folder.
        fingerprint: what the result depends on; only a run with the same one counts as this job's.
        stages: names of the method's stages.
        root: folder of all jobs, kept between calls, so that stopped ones can be resumed.
    """

    name: str
    words: tuple[str, ...]
    fingerprint: Fingerprint
    stages: tuple[str, ...]
    root: Path

    @property
    def folder(self) -> Path:
        """Holds the job's run folder and log; another fingerprint has another folder."""
        return self.root / f"{self.name}-{self.fingerprint.digest[:10]}"

    @property
    def log(self) -> Path:
        """What the run printed."""
        return self.folder / LOG_FILE

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


AnyJob = TypeVar("AnyJob", bound=Job)


@dataclass(frozen=True)
class Outcome(Generic[AnyJob]):
    """The outcome of a job: `error` is empty on success, else the last line of the run's log.

    `repeated` says that the run was finished before, and was not made again.
    """

    job: AnyJob
    error: str = ""
    repeated: bool = False


def recorded_digest(run: RunFolder) -> str:
    """The digest of the fingerprint that a run was started with; empty if it recorded none."""
    return str(read_manifest(run.manifest).get("fingerprint", {}).get("digest", ""))


def job_facts(resolved: ResolvedConfig) -> tuple[Fingerprint, tuple[str, ...]]:
    """The fingerprint and the stages of a job with this configuration."""
    return fingerprint(resolved), tuple(resolved.method.stages)


def run_jobs(jobs: Sequence[AnyJob], processes: int) -> Generator[Outcome[AnyJob]]:
    """Run the unfinished jobs, `processes` in parallel; yields outcomes as they complete.

    The available cores are divided among the processes. SIGTERM and SIGHUP stop the runs, each of which saves a
    checkpoint first; so does closing the iterator.
    """
    children = _Children()
    threads = max(1, available_cores() // processes)
    distinct = {job.folder: job for job in jobs}
    with ThreadPoolExecutor(processes) as pool, ending_by_signals():
        waiting = [pool.submit(_guarded, job, threads, children) for job in distinct.values()]
        try:
            for done in as_completed(waiting):
                outcome = done.result()
                alike = [job for job in jobs if job.folder == outcome.job.folder]
                yield from (Outcome(job, outcome.error, outcome.repeated) for job in alike)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise


@dataclass
class _Children:
    """Processes of runs, which end with the process that started them."""

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


def _guarded(job: AnyJob, threads: int, children: _Children) -> Outcome[AnyJob]:
    try:
        return _run_one(job, threads, children)
    except (MaquetteError, OSError) as problem:  # one broken folder stops no other run
        return Outcome(job, str(problem))


def _run_one(job: AnyJob, threads: int, children: _Children) -> Outcome[AnyJob]:
    if job.finished:
        return Outcome(job, repeated=True)
    job.folder.mkdir(parents=True, exist_ok=True)
    begun = job.run
    words = ["run", *job.words, f"output={job.folder}"] if begun is None else ["resume", str(begun.path)]
    environment = {"OMP_NUM_THREADS": str(threads), "NUMBA_NUM_THREADS": str(threads), **os.environ}
    command = [sys.executable, "-P", "-m", "maquette", *words]
    with job.log.open("w") as log:
        code = children.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    if code == 0 and job.finished:
        return Outcome(job)
    lines = job.log.read_text(errors="replace").strip().splitlines()
    if code == 0:
        return Outcome(job, "the code, the weights or an input changed after these runs began: run them again")
    return Outcome(job, lines[-1] if lines else f"exit code {code}")

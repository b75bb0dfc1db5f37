"""Many runs, of which a failed one does not affect the others, and finished ones are not repeated."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

from maquette.config.loading import ResolvedConfig
from maquette.errors import MaquetteError
from maquette.kernels.cores import available_cores
from maquette.runs.executors import Children, Inline, Start, Workers, share_cards, visible_cards
from maquette.runs.failures import Failure, FailureKind, Limits, again
from maquette.runs.ray_executor import RayCluster
from maquette.runs.storage import Storage, synced
from maquette.training.fingerprint import Fingerprint, fingerprint
from maquette.training.manifest import read_manifest
from maquette.training.run_folder import RunFolder
from maquette.training.signals import ending_by_signals

LOG_FILE = "log.txt"  # in the folder of a job
CHANGED = "the code, the weights or an input changed after these runs began: run them again"

ExecutorName = Literal["process", "inline", "ray"]
"""How jobs run: each in a process of its own, one after the other in this one, or on the actors of a Ray cluster."""


@dataclass(frozen=True, eq=False)
class Job:
    """A run that is to be made, or that was made before.

    Args:
        name: of its folder, before the fingerprint.
        words: arguments of `maquette run`, without the output folder.
        fingerprint: what the result depends on; only a run with the same one counts as this job's.
        stages: names of the method's stages.
        root: folder of all jobs, synced between calls, so that stopped ones can be resumed.
        smaller: the job with settings that take less memory; None: there are none.
    """

    name: str
    words: tuple[str, ...]
    fingerprint: Fingerprint
    stages: tuple[str, ...]
    root: Path
    smaller: Job | None = field(default=None, kw_only=True)

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

    @property
    def label(self) -> str:
        """The job in progress and tables."""
        return self.name

    def start(self) -> Start:
        """How its run is begun, or gone on with if it was."""
        begun = self.run
        words = ["run", *self.words, f"output={self.folder}"] if begun is None else ["resume", str(begun.path)]
        return words, self.log


AnyJob = TypeVar("AnyJob", bound=Job)


@dataclass(frozen=True)
class Outcome(Generic[AnyJob]):
    """The outcome of a job.

    Args:
        job: the job.
        error: empty on success, else the last line of the run's log.
        repeated: the run was finished before, and was not made again.
        failures: of all attempts, in their order; one that was followed by a success is here, too.
        shrunk: the run is that of the job's smaller settings.
    """

    job: AnyJob
    error: str = ""
    repeated: bool = False
    failures: tuple[Failure, ...] = ()
    shrunk: bool = False

    @property
    def kind(self) -> FailureKind | Literal[""]:
        """The class of the error; empty on success."""
        return self.failures[-1].kind if self.error and self.failures else "other" if self.error else ""

    @property
    def run(self) -> RunFolder | None:
        """The run folder; None: there is none."""
        current: Job | None = self.job.smaller if self.shrunk else self.job
        return None if current is None else current.run


def recorded_digest(run: RunFolder) -> str:
    """The digest of the fingerprint that a run was started with; empty if it recorded none."""
    return str(read_manifest(run.manifest).get("fingerprint", {}).get("digest", ""))


def spent_seconds(run: RunFolder) -> float:
    """Wall time of a run so far, with all that it was gone on with; a session that was killed is not counted."""
    return float(read_manifest(run.manifest).get("wall_seconds") or 0.0)


def job_facts(resolved: ResolvedConfig) -> tuple[Fingerprint, tuple[str, ...]]:
    """The fingerprint and the stages of a job with this configuration."""
    return fingerprint(resolved), tuple(resolved.method.stages)


def run_jobs(
    jobs: Sequence[AnyJob], processes: int, limits: Limits | None = None, executor: ExecutorName = "process",
    address: str = "", storage: Storage | None = None,
) -> Generator[Outcome[AnyJob]]:  # fmt: skip
    """Run the unfinished jobs; yields outcomes as they complete.

    The available cores are divided among the processes, and so are several CUDA cards. SIGTERM and SIGHUP stop the
    runs, each of which saves a checkpoint first; so does closing the iterator.

    Args:
        jobs: what to run; those with one folder are run once.
        processes: number of parallel runs; of the executor `inline` there is one.
        limits: of time and of attempts; None: any time, one attempt.
        executor: how they run.
        address: of the Ray cluster; "": that of RAY_ADDRESS, or one that is started on this machine.
        storage: keeps the folders of all jobs, so that other machines can go on with them; None: this disk alone does.
    """
    limits = limits or Limits()
    distinct = list({job.folder: job for job in jobs}.values())
    if executor == "inline":
        with ending_by_signals():
            for job in distinct:
                yield from _alike(jobs, _guarded(job, limits, Inline(), storage))
        return
    workers = _workers(processes, executor, address, storage)
    with closing(workers), ThreadPoolExecutor(processes) as pool, ending_by_signals():
        waiting = [pool.submit(_guarded, job, limits, workers, storage) for job in distinct]
        try:
            for done in as_completed(waiting):
                yield from _alike(jobs, done.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            workers.stop()
            raise


def _workers(processes: int, executor: ExecutorName, address: str, storage: Storage | None) -> Workers:
    if executor == "ray":
        return RayCluster(processes, address, storage)
    return Children(max(1, available_cores() // processes), share_cards(visible_cards(), processes))


def _alike(jobs: Sequence[AnyJob], outcome: Outcome[AnyJob]) -> Generator[Outcome[AnyJob]]:
    """The outcome, once for each job of its folder."""
    for job in jobs:
        if job.folder == outcome.job.folder:
            yield Outcome(job, outcome.error, outcome.repeated, outcome.failures, outcome.shrunk)


def _guarded(
    job: AnyJob, limits: Limits, executor: Workers | Inline, storage: Storage | None
) -> Outcome[AnyJob]:  # fmt: skip
    try:
        return _run_one(job, limits, executor, storage)
    except (MaquetteError, OSError) as problem:  # one broken folder stops no other run
        return Outcome(job, str(problem), failures=(Failure("other", str(problem)),))


def _run_one(job: AnyJob, limits: Limits, executor: Workers | Inline, storage: Storage | None) -> Outcome[AnyJob]:
    """Attempts until one succeeds, or none is left."""
    if storage is not None:
        for each in (job, job.smaller):
            if each is not None:
                storage.pull(each.folder)
    if job.finished:
        return Outcome(job, repeated=True)
    if job.smaller is not None and job.smaller.finished:
        return Outcome(job, repeated=True, shrunk=True)
    current: Job = job
    failures: list[Failure] = []
    while True:
        current.folder.mkdir(parents=True, exist_ok=True)
        here = None if executor.keeps_runs else storage
        with synced(here, current.folder):
            failure = _attempt(current, limits, executor)
        if failure is None and current.finished:
            return Outcome(job, failures=tuple(failures), shrunk=current is not job)
        failures.append(failure or Failure("other", CHANGED))
        choice = again(failures, limits, job.smaller is not None)
        if not choice or executor.stopped:
            return Outcome(job, failures[-1].message, failures=tuple(failures), shrunk=current is not job)
        if choice == "smaller" and job.smaller is not None:
            current = job.smaller


def _attempt(job: Job, limits: Limits, executor: Workers | Inline) -> Failure | None:
    """Begin or go on with a run, in the time that is left of its limit."""
    if limits.seconds is None:
        return executor.attempt(job.start(), limits)
    late = Failure("time", f"it took more than {limits.seconds:g} s, and was stopped")
    left = limits.seconds - (spent_seconds(job.run) if job.run is not None else 0.0)
    if left <= 0:
        return late
    failure = executor.attempt(job.start(), replace(limits, seconds=left))
    return late if failure is not None and failure.kind == "time" else failure

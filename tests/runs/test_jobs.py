"""Which run counts as a job's: the latest with its fingerprint."""

import os
from pathlib import Path

import pytest

from maquette.runs.executors import Inline
from maquette.runs.failures import Failure, Limits
from maquette.runs.jobs import Job, recorded_digest, run_jobs
from maquette.training.fingerprint import Fingerprint
from maquette.training.manifest import write_manifest
from maquette.training.run_folder import RunFolder

SETTINGS = Fingerprint({"stages": {"nerf": {"steps": 2}}}, {}, {})
OTHERS = Fingerprint({"stages": {"nerf": {"steps": 3}}}, {}, {})


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("a-red-mug-seed7", ("tiny",), SETTINGS, ("nerf", "export"), tmp_path)


def begun(job: Job, fingerprint: Fingerprint, age: float) -> RunFolder:
    """A run of the job, begun `age` seconds ago with these settings."""
    run = RunFolder.create(str(job.folder), "tiny", "a red mug", "{}")
    write_manifest(run.manifest, fingerprint=fingerprint.record())
    then = run.config.stat().st_mtime - age
    os.utime(run.config, (then, then))
    return run


def test_a_job_has_a_folder_of_its_own_for_each_name_and_fingerprint(job, tmp_path):
    assert job.folder.parent == tmp_path and job.folder.name == f"a-red-mug-seed7-{SETTINGS.digest[:10]}"
    assert job.folder != Job(job.name, job.words, OTHERS, job.stages, tmp_path).folder


def test_the_latest_run_with_the_same_fingerprint_counts(job):
    assert job.run is None and not job.finished
    older, newer = begun(job, SETTINGS, age=20), begun(job, SETTINGS, age=10)
    begun(job, OTHERS, age=0)
    assert job.run.path == newer.path and recorded_digest(older) == SETTINGS.digest
    older.write_state({"finished": ["nerf", "export"]})
    assert not job.finished
    newer.write_state({"finished": ["nerf", "export"]})
    assert job.finished


def test_a_run_without_a_fingerprint_is_of_no_job(job):
    run = RunFolder.create(str(job.folder), "tiny", "a mug", "{}")
    assert recorded_digest(run) == "" and job.run is None


def test_a_finished_job_is_not_run_again_and_is_told_of_once_for_each_time_it_is_asked_for(job):
    begun(job, SETTINGS, age=0).write_state({"finished": ["nerf", "export"]})
    outcomes = list(run_jobs([job, job], processes=2))
    assert [(outcome.job, outcome.error, outcome.repeated) for outcome in outcomes] == [(job, "", True)] * 2


class Stopping(Inline):
    """Ends each attempt after its time, and keeps how much that was."""

    def __init__(self) -> None:
        self.seconds: list[float | None] = []

    def attempt(self, start, limits):
        self.seconds.append(limits.seconds)
        return Failure("time", f"it took more than {limits.seconds:g} s")


def test_a_run_that_goes_on_has_the_time_that_is_left_of_its_limit(job, monkeypatch):
    executor = Stopping()
    monkeypatch.setattr("maquette.runs.jobs.Inline", lambda: executor)
    run = begun(job, SETTINGS, age=0)
    messages = []
    for spent in (40.0, 100.0):
        write_manifest(run.manifest, sessions=1, wall_seconds=spent)
        (outcome,) = run_jobs([job], 1, Limits(seconds=100), "inline")
        messages.append((outcome.kind, outcome.error))
    assert executor.seconds == [60.0]  # without any left it is not begun
    assert messages == [("time", "it took more than 100 s, and was stopped")] * 2

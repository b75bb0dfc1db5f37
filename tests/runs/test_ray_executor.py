"""The executor on a Ray cluster of two nodes: workers and a node that are killed in the middle of a run."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maquette.config.loading import load_method
from maquette.errors import MissingDependency
from maquette.runs.failures import Limits
from maquette.runs.jobs import Job, job_facts, run_jobs
from maquette.runs.ray_executor import RayCluster
from maquette.runs.storage import Storage
from tiny_run import ONE_STAGE

STEPS = 300
LONG = ONE_STAGE.replace("steps: 1", f"steps: {STEPS}").replace("log_every: 0", "log_every: 1, checkpoint_every: 20")


def jobs_of(folder: Path, count: int) -> list[Job]:
    file = folder / "tiny.yaml"
    file.write_text(LONG)
    return [
        Job(f"job-{i}", (str(file), f"seed={i}"), *job_facts(load_method(str(file), [f"seed={i}"])), folder / "runs")
        for i in range(count)
    ]


def actor_of(job: Job) -> int | None:
    """The process of the actor that makes the job's run: it has the log open."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if place.joinpath("cmdline").read_bytes().startswith(b"ray::RunActor") and any(
                link.readlink() == job.log for link in place.joinpath("fd").iterdir()
            ):
                return int(place.name)
        except OSError:
            continue
    return None


def until(condition: Callable[[], Any], seconds: float = 900.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def in_the_middle(jobs: list[Job]) -> int | None:
    """The process of a run that has a checkpoint and goes on."""
    for job in jobs:
        if list(job.folder.glob("tiny/*/*/checkpoints/first/step-*")) and not job.finished:
            return actor_of(job)
    return None


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else other processes of a busy machine come first
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


def test_without_ray_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises((MissingDependency, ValueError), match=r"maquette\[cluster\]|ray"):
        RayCluster(1)


@pytest.mark.slow
def test_each_job_is_there_exactly_once_though_workers_and_a_node_are_killed(cluster, tmp_path):
    nodes, second = cluster
    jobs = jobs_of(tmp_path, 6)
    problems: list[BaseException] = []

    def kill() -> None:
        try:
            for _ in range(2):  # two workers, each in the middle of a run
                os.kill(until(lambda: in_the_middle(jobs)), signal.SIGKILL)
                time.sleep(1.0)
            until(lambda: in_the_middle(jobs))
            nodes.remove_node(second, allow_graceful=False)
        except BaseException as problem:
            problems.append(problem)

    killer = threading.Thread(target=kill)
    killer.start()
    outcomes = list(run_jobs(jobs, 2, Limits(lost=4), "ray", nodes.address))
    killer.join()
    assert problems == []
    assert Counter(outcome.job.name for outcome in outcomes) == Counter(job.name for job in jobs)
    assert [outcome.error for outcome in outcomes] == [""] * 6
    assert sum(failure.kind == "lost" for outcome in outcomes for failure in outcome.failures) >= 2
    assert all(job.finished and len(list(job.folder.glob("*/*/*/config.yaml"))) == 1 for job in jobs)
    assert [outcome.repeated for outcome in run_jobs(jobs, 2, executor="ray")] == [True] * 6


@pytest.mark.slow
def test_actors_keep_their_runs_in_object_storage(cluster, tmp_path):
    nodes, _ = cluster
    storage = Storage((tmp_path / "bucket").as_uri())
    jobs = jobs_of(tmp_path, 2)
    outcomes = list(run_jobs(jobs, 2, executor="ray", address=nodes.address, storage=storage))
    assert [outcome.error for outcome in outcomes] == ["", ""]
    for job in jobs:  # as on a machine that has seen nothing of them
        shutil.rmtree(job.folder)
    again = list(run_jobs(jobs, 2, executor="ray", storage=storage))
    assert [outcome.repeated for outcome in again] == [True, True] and all(job.finished for job in jobs)

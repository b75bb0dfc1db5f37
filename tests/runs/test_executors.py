"""Executors: processes that are killed, too slow or out of memory, and runs in this process."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from maquette.config.loading import load_method
from maquette.runs.executors import Children, Inline, share_cards, visible_cards
from maquette.runs.failures import Limits
from maquette.runs.jobs import Job, job_facts, run_jobs
from tiny_run import ONE_STAGE

ENDLESS = ONE_STAGE.replace("steps: 1", "steps: 1000000").replace("log_every: 0", "log_every: 1")


def job_of(folder: Path, text: str, *words: str, name: str = "a-mug", **more) -> Job:
    folder.mkdir(exist_ok=True)
    file = folder / "tiny.yaml"
    file.write_text(text)
    return Job(name, (str(file), *words), *job_facts(load_method(str(file), words)), folder / "runs", **more)


def test_an_inline_job_runs_here_and_is_not_run_again(tmp_path):
    job = job_of(tmp_path, ONE_STAGE)
    (outcome,) = run_jobs([job], 1, executor="inline")
    assert outcome.error == "" and not outcome.repeated and job.finished
    assert "run folder:" in job.log.read_text()
    assert [again.repeated for again in run_jobs([job, job], 1, executor="inline")] == [True, True]
    assert not any(isinstance(one, logging.FileHandler) for one in logging.getLogger("maquette").handlers)


def test_an_inline_job_that_fails_costs_no_other(tmp_path):
    good, bad = job_of(tmp_path / "good", ONE_STAGE), job_of(tmp_path / "bad", ONE_STAGE)
    bad.folder.mkdir(parents=True)
    (bad.folder / "tiny").write_text("")  # where its run folder should go
    outcomes = {outcome.job: outcome for outcome in run_jobs([bad, good], 1, executor="inline")}
    assert "cannot write here" in outcomes[bad].error and outcomes[bad].kind == "other"
    assert outcomes[good].error == "" and outcomes[good].run is not None


class Failing(Inline):
    """The first attempt ends as it is told to, those after it run."""

    def __init__(self, first: BaseException) -> None:
        self.first: BaseException | None = first

    def _run(self, command, first, rest):
        if self.first is not None:
            problem, self.first = self.first, None
            raise problem
        super()._run(command, first, rest)


def test_out_of_memory_is_run_once_more_with_the_smaller_settings(tmp_path, monkeypatch):
    less = job_of(tmp_path, ONE_STAGE, "stages.first.cameras.size=4")
    job = job_of(tmp_path, ONE_STAGE, smaller=less)
    monkeypatch.setattr("maquette.runs.jobs.Inline", lambda: Failing(MemoryError("no room")))
    (outcome,) = run_jobs([job], 1, executor="inline")
    assert outcome.error == "" and outcome.shrunk and outcome.run.path == less.run.path and not job.finished
    assert [failure.kind for failure in outcome.failures] == ["memory"]
    (again,) = run_jobs([job], 1, executor="inline")
    assert again.repeated and again.shrunk


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_from_its_checkpoint(tmp_path):
    text = ENDLESS.replace("steps: 1000000", "steps: 60").replace("log_every: 1", "log_every: 1, checkpoint_every: 5")
    job = job_of(tmp_path, text)

    def kill_once() -> None:
        while not list(job.folder.glob("tiny/*/*/checkpoints/first/step-*")):
            time.sleep(0.02)
        for line in os.popen("ps -eo pid,args").read().splitlines():
            if str(job.folder) in line and "maquette run" in line and " ps " not in line:
                os.kill(int(line.split()[0]), signal.SIGKILL)
                return

    thread = threading.Thread(target=kill_once)
    thread.start()
    (outcome,) = run_jobs([job], 1, Limits(lost=1))
    thread.join()
    assert outcome.error == "" and len(list(job.folder.glob("tiny/*/*/config.yaml"))) == 1
    assert {failure.kind for failure in outcome.failures} <= {"lost"}  # none if the kill came after its end


@pytest.mark.slow
def test_a_process_that_takes_too_long_is_stopped_and_not_tried_again(tmp_path):
    job = job_of(tmp_path, ENDLESS)
    (outcome,) = run_jobs([job], 1, Limits(seconds=15, lost=3))
    assert outcome.kind == "time" and "more than 15 s" in outcome.error and len(outcome.failures) == 1


def test_cards_are_those_that_are_visible_and_are_shared_in_turn(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5")
    assert visible_cards() == ["2", "5"] and share_cards(visible_cards(), 3) == ["2", "5", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_cards() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_cards(lambda: "GPU 0: H (UUID: x)\nGPU 1: H (UUID: y)\n") == ["0", "1"]
    assert visible_cards(lambda: "") == [] and share_cards(["0"], 4) == []


def test_each_process_sees_one_card_and_gives_it_back():
    children = Children(1, ["3", "4"])
    with children._card() as one, children._card() as other:
        assert {one["CUDA_VISIBLE_DEVICES"], other["CUDA_VISIBLE_DEVICES"]} == {"3", "4"}
    with children._card() as again:
        assert again["CUDA_VISIBLE_DEVICES"] in ("3", "4")
    with Children(1)._card() as none:
        assert none == {}

"""Callbacks and stopping criteria of a loop: they see what happens, change nothing, fail by name, and resume."""

import json
import logging
import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from command_line import logged
from maquette.config.parts import PartSpec, check, part
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError, PluginError, RunError
from maquette.objectives.terms import Terms
from maquette.registry import Declaration, declare, forget_declared
from maquette.training.callbacks.base import Callback
from maquette.training.checkpoints import CheckpointStore
from maquette.training.loop import Loop
from maquette.training.metrics_log import MetricsLog
from maquette.training.settings import LoopConfig
from maquette.training.stops.base import Stop
from maquette.training.task import ParameterGroup, Task


class Parabola(Task):
    """Pulls a number to zero, with noise of its own key and of the global generator."""

    def __init__(self, floor=0.0):
        super().__init__()
        self.x, self._floor = torch.nn.Parameter(torch.ones(1)), floor

    def groups(self):
        return [ParameterGroup("x", [self.x], Schedule.constant(0.1))]

    def terms(self, moment):
        noise = 0.01 * (moment.draws.normal("noise", 1) + torch.randn(1))
        return Terms({"parabola": ((self.x + noise) ** 2).sum().clamp(min=self._floor)})


@dataclass(frozen=True)
class NoConfig:
    pass


class Recorder(Callback):
    """Writes down its calls."""

    Config = NoConfig

    def __init__(self, config=None):
        self.calls, self.count = [], 0

    def on_start(self, loop):
        self.calls.append(("start", loop.done))

    def on_step(self, loop, values):
        self.count += 1
        self.calls.append(("step", loop.done))
        loop.log({"count": self.count, "loss": values["loss"]})

    def on_checkpoint(self, loop):
        self.calls.append(("checkpoint", loop.done))

    def on_end(self, loop, reason):
        self.calls.append(("end", reason))

    def state(self):
        return {"count": self.count}

    def load_state(self, state):
        self.count = state["count"]


class After(Stop):
    """Ends after so many calls."""

    @dataclass(frozen=True)
    class Config:
        calls: int = 4

    def __init__(self, config):
        self.config, self.seen = config, 0

    def reason(self, figures):
        self.seen += 1
        return f"{self.seen} calls" if self.seen >= self.config.calls else ""

    def state(self):
        return {"seen": self.seen}

    def load_state(self, state):
        self.seen = state["seen"]


class Single:
    """A class of parts that gives one part, so that a test can look at it."""

    Config = NoConfig

    def __init__(self, part):
        self.part = part

    def __call__(self, config):
        return self.part


def spec(callback, kind="callback", name="recorder"):
    return PartSpec(kind, name, Single(callback), NoConfig())


def stop(calls=4):
    return {"after": PartSpec("stop", "after", After, After.Config(calls))}


def loop(folder, steps=6, floor=0.0, **config):
    folder.mkdir(exist_ok=True)
    settings = LoopConfig(device="cpu", log_every=1, **config)
    log = MetricsLog(folder / "metrics.jsonl", "stage")
    torch.manual_seed(0)
    return Loop("stage", Parabola(floor), steps, settings, 0, CheckpointStore(folder / "c"), log)


def test_a_callback_is_called_at_start_after_steps_before_checkpoints_and_at_the_end(tmp_path):
    recorder = Recorder()
    loop(tmp_path, 3, checkpoint_every=2, callbacks={"mine": spec(recorder)}).run(resume=False)
    assert recorder.calls == [
        ("start", 0), ("step", 1), ("step", 2), ("checkpoint", 2), ("step", 3), ("checkpoint", 3), ("end", ""),
    ]  # fmt: skip
    rows = [row for row in logged(tmp_path) if "mine/count" in row]
    assert [(row["step"], row["mine/count"]) for row in rows] == [(0, 1), (1, 2), (2, 3)]


class Meddler(Recorder):
    def on_step(self, loop, values):
        torch.manual_seed(3)
        np.random.seed(3)
        random.seed(3)
        torch.set_default_dtype(torch.float64)
        (loop.task.x.detach() ** 2).requires_grad_()


def test_a_run_has_the_same_bits_with_a_callback_that_changes_random_states(tmp_path, caplog):
    plain, watched = loop(tmp_path / "plain"), loop(tmp_path / "watched", callbacks={"mine": spec(Meddler())})
    torch.manual_seed(1)
    plain.run(resume=False)
    torch.manual_seed(1)
    with caplog.at_level(logging.WARNING, "maquette"):
        watched.run(resume=False)
    assert torch.equal(plain.task.x, watched.task.x)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("callback 'recorder' (stages.stage.loop.callbacks.mine) changed ")
    assert "torch's random state" in line and "default dtype" in line


class Failing(Recorder):
    def on_step(self, loop, values):
        raise KeyError("rgb")


def test_an_error_in_a_callback_names_it(tmp_path):
    file = tmp_path / "mine.py"
    declare(
        Declaration("callback", "failing", "local", "mine.py", lambda: Failing, owner="local file mine.py", place=file)
    )
    try:
        callbacks = {"mine": PartSpec("callback", "failing", Failing, NoConfig())}
        with pytest.raises(PluginError, match=r"callback 'failing' of local file mine.py.*KeyError: 'rgb'"):
            loop(tmp_path, callbacks=callbacks).run(resume=False)
    finally:
        forget_declared(lambda declared: declared.source != "local")


class Unwritable(Recorder):
    def state(self):
        return {"count": torch.ones(1)}


def test_a_state_that_is_no_json_is_named(tmp_path):
    with pytest.raises(RunError, match=r"state of callback 'recorder' \(stages.stage.loop.callbacks.mine\) is no JSON"):
        loop(tmp_path, callbacks={"mine": spec(Unwritable())}).run(resume=False)


def test_a_callback_without_a_method_is_refused():
    class Idle(Callback):
        """Does nothing."""

        Config = NoConfig

    assert Idle.lacks() == ["one of the methods on_start, on_step, on_checkpoint, on_end"]


def test_a_criterion_ends_the_loop_and_is_not_asked_again(tmp_path, caplog):
    recorder = Recorder()
    with caplog.at_level(logging.INFO, "maquette"):
        run = loop(tmp_path, stop=stop(4), callbacks={"mine": spec(recorder)})
        run.run(resume=False)
    assert (run.done, run.ended) == (4, "after: 4 calls") and recorder.calls[-1] == ("end", "after: 4 calls")
    assert "stage ended after 4 of 6 steps; after: 4 calls" in caplog.text
    again = loop(tmp_path, stop=stop(4))
    again.run(resume=True)
    assert (again.done, again.ended) == (4, "after: 4 calls")


def test_a_criterion_at_the_last_step_ends_nothing_early(tmp_path):
    run = loop(tmp_path, stop=stop(6))
    run.run(resume=False)
    assert (run.done, run.ended) == (6, "")


def test_under_another_criterion_a_loop_that_ended_goes_on(tmp_path):
    loop(tmp_path, stop=stop(3)).run(resume=False)
    run = loop(tmp_path)
    run.run(resume=True)
    assert (run.done, run.ended) == (6, "")


class Interrupt(Recorder):
    """Stands for a kill: the process ends within a step."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_step(self, loop, values):
        super().on_step(loop, values)
        if loop.done == self.at:
            raise RunError("killed")


def test_callbacks_and_criteria_resume_to_the_same_bits(tmp_path):
    whole = loop(tmp_path / "whole", 12, stop=stop(9), callbacks={"mine": spec(Recorder())}, checkpoint_every=3)
    whole.run(resume=False)
    settings = {"stop": stop(9), "checkpoint_every": 3}
    with pytest.raises(RunError, match="killed"):
        loop(tmp_path / "killed", 12, callbacks={"mine": spec(Interrupt(8))}, **settings).run(resume=False)
    resumed = loop(tmp_path / "killed", 12, callbacks={"mine": spec(Recorder())}, **settings)
    resumed.run(resume=True)
    assert (resumed.done, resumed.ended) == (whole.done, whole.ended) == (9, "after: 9 calls")
    assert torch.equal(whole.task.x, resumed.task.x)
    last = [row["mine/count"] for row in logged(tmp_path / "killed") if "mine/count" in row][-1]
    assert last == 9
    states = [
        json.loads((CheckpointStore(tmp_path / n / "c").latest().path / "state.json").read_text())
        for n in ("whole", "killed")
    ]
    assert states[0]["extra"] == states[1]["extra"]


def test_plateau_ends_when_the_average_no_longer_falls(tmp_path):
    criterion = part("stop", "plateau", patience=20, smoothing=5)
    run = loop(tmp_path, 400, floor=0.05, stop={"plateau": criterion})
    run.run(resume=False)
    rows = [row["loss"] for row in logged(tmp_path)]
    assert 30 < run.done < 120 and min(rows) == pytest.approx(0.05) and max(rows[-20:]) < 0.06
    assert run.ended.startswith("plateau: loss has not fallen by 0.01 of 0.05")


def test_plateau_names_the_metrics_when_its_own_is_not_there(tmp_path, caplog):
    run = loop(tmp_path, 3, stop={"plateau": part("stop", "plateau", metric="loss/parabel", patience=1)})
    run.run(resume=False)
    assert run.ended == "" and caplog.text.count("did you mean 'loss/parabola'?") == 1


def test_time_limit_adds_up_steps_across_an_interruption():
    from maquette.training.stops.base import StepFigures

    first, second = (part("stop", "time-limit", minutes=1.0).build() for _ in range(2))
    reasons = [first.reason(StepFigures(done, 10, {}, 25.0)) for done in (1, 2)]
    second.load_state(first.state())
    assert reasons == ["", ""]
    assert second.reason(StepFigures(3, 10, {}, 25.0)) == "its steps have taken 1.25 minutes, and the limit is 1"


def test_parameters_logs_the_root_mean_square_of_each_group(tmp_path):
    run = loop(tmp_path, 2, callbacks={"parameters": part("callback", "parameters", every=2)})
    run.run(resume=False)
    (row,) = [row for row in logged(tmp_path) if "parameters/size/x" in row]
    assert row["step"] == 1 and row["parameters/size/x"] == pytest.approx(abs(float(run.task.x.detach())), rel=1e-4)


def test_snapshot_refuses_a_stage_that_trains_a_model(tmp_path):
    with pytest.raises(ConfigError, match=r"stages.stage.loop.callbacks: a snapshot exports a scene"):
        loop(tmp_path, callbacks={"snapshot": part("callback", "snapshot")}).run(resume=False)


def test_callbacks_and_stop_are_named_in_yaml_by_their_own_names():
    settings = check(
        LoopConfig, {"stop": {"plateau": {"patience": 9}}, "callbacks": {"parameters": {}}}, "loop", lambda key: None
    )
    assert settings.stop["plateau"].config.patience == 9 and settings.callbacks["parameters"].name == "parameters"

"""An observer is called between steps, and may note values and see a request to stop."""

import os
import signal

import pytest
import torch

from command_line import logged
from maquette.config.schedules import Schedule
from maquette.objectives.terms import Terms
from maquette.training.checkpoints import CheckpointStore
from maquette.training.loop import Loop
from maquette.training.metrics_log import MetricsLog
from maquette.training.settings import LoopConfig
from maquette.training.signals import Stopped
from maquette.training.task import ParameterGroup, Task


class Parabola(Task):
    def __init__(self):
        super().__init__()
        self.x = torch.nn.Parameter(torch.ones(1))

    def groups(self):
        return [ParameterGroup("x", [self.x], Schedule.constant(0.1))]

    def terms(self, moment):
        return Terms({"parabola": (self.x**2).sum()})


class Noting:
    def __init__(self, act=lambda interlude: None):
        self.seen, self.act = [], act

    def between_steps(self, interlude):
        self.seen.append((interlude.stage, interlude.done, interlude.total, float(interlude.task.x.detach())))
        self.act(interlude)

    def record(self):
        return []


def _loop(folder, observer):
    return Loop(
        "stage", Parabola(), 3, LoopConfig(device="cpu", log_every=0), 0, CheckpointStore(folder / "c"),
        MetricsLog(folder / "metrics.jsonl", "stage"), observer=observer,
    )  # fmt: skip


def test_observer_is_called_before_the_first_step_and_after_each(tmp_path):
    observer = Noting(lambda interlude: interlude.note({"x": float(interlude.task.x.detach())}))
    _loop(tmp_path, observer).run(resume=False)
    assert [entry[:3] for entry in observer.seen] == [("stage", done, 3) for done in range(4)]
    values = [entry[3] for entry in observer.seen]
    assert values == sorted(values, reverse=True) and len(set(values)) == 4
    assert [row["step"] for row in logged(tmp_path)] == [0, 1, 2, 3]


def test_a_stop_that_comes_while_the_observer_waits_takes_no_further_step(tmp_path):
    def wait(interlude):
        if interlude.done == 0:
            os.kill(os.getpid(), signal.SIGINT)
            while not interlude.stopping():
                pass

    observer = Noting(wait)
    with pytest.raises(Stopped):
        _loop(tmp_path, observer).run(resume=False)
    assert [entry[1] for entry in observer.seen] == [0]
    assert CheckpointStore(tmp_path / "c").latest().step == 0

"""Numbers that are not finite are never passed over in silence."""

import json

import pytest
import torch

from maquette.config.schedules import Schedule
from maquette.errors import RunError
from maquette.objectives.terms import Terms
from maquette.randomness import Moment
from maquette.training.checkpoints import CheckpointStore
from maquette.training.loop import Loop
from maquette.training.metrics_log import MetricsLog
from maquette.training.settings import LoopConfig
from maquette.training.task import ParameterGroup, Task


class Quadratic(Task):
    """Pulls a number to zero; some steps see a NaN."""

    def __init__(self, bad: set[int]) -> None:
        super().__init__()
        self.x = torch.nn.Parameter(torch.tensor(1.0))
        self._bad = bad

    def groups(self):
        return [ParameterGroup("x", [self.x], Schedule.constant(0.1))]

    def terms(self, moment: Moment) -> Terms:
        factor = float("nan") if moment.step in self._bad else 1.0
        return Terms({"square": self.x.square() * factor})

    def describe(self):
        return {"prompt": "a mug", "timestep": 500}


def loop(tmp_path, bad: set[int], **config: object) -> Loop:
    log = MetricsLog(tmp_path / "metrics.jsonl", "s")
    settings = LoopConfig(log_every=1, device="cpu", **config)
    return Loop("s", Quadratic(bad), 10, settings, 0, CheckpointStore(tmp_path / "c"), log)


def test_nonfinite_raise_stops_with_a_diagnosis_and_a_dump(tmp_path):
    with pytest.raises(RunError, match=r"step 4: not finite: loss/square .*step-00000004"):
        loop(tmp_path, {4}, checkpoint_every=2).run(resume=False)
    dump = json.loads((tmp_path / "c" / "nonfinite.json").read_text())
    assert dump["step"] == 4 and dump["prompt"] == "a mug" and dump["timestep"] == 500 and dump["seed"] == 0


def test_nonfinite_skip_leaves_out_the_step_and_counts_it(tmp_path):
    run = loop(tmp_path, {4, 7}, nonfinite="skip")
    run.run(resume=False)
    assert run.skipped == 2 and torch.isfinite(run.task.x)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "nonfinite" in row] == [4, 7]


def test_too_many_in_a_row_stop_the_run_all_the_same(tmp_path):
    with pytest.raises(RunError, match=r"3 in a row"):
        loop(tmp_path, set(range(3, 10)), nonfinite="skip", nonfinite_limit=3).run(resume=False)


def test_learning_rates_follow_their_schedule(tmp_path):
    class Annealed(Quadratic):
        def groups(self):
            return [ParameterGroup("x", [self.x], Schedule.parse([[0, 1.0], ["100%", 0.0]]))]

    run = loop(tmp_path, set())
    run.task = Annealed(set())
    run.run(resume=False)
    rates = [json.loads(line)["lr"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rates == pytest.approx([1 - i / 10 for i in range(10)])

"""Where a run computes: on CUDA where there is some, else on the CPU, and nowhere by accident."""

import pytest
import torch
from lightning_fabric.accelerators import MPSAccelerator
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError
from maquette.kernels.devices import choose_device, device_or_cpu
from maquette.objectives.terms import Terms
from maquette.randomness import Moment
from maquette.training.checkpoints import CheckpointStore
from maquette.training.loop import Loop
from maquette.training.metrics_log import MetricsLog
from maquette.training.settings import LoopConfig
from maquette.training.task import ParameterGroup, Task


class Counted(Task):
    """Pulls a number to zero, and notes after how many steps it was moved."""

    def __init__(self) -> None:
        super().__init__()
        self.x = torch.nn.Parameter(torch.tensor(1.0))
        self.steps = 0
        self.moves: list[int] = []

    def _apply(self, *args, **kwargs):
        self.moves.append(self.steps)
        return super()._apply(*args, **kwargs)

    def groups(self):
        return [ParameterGroup("x", [self.x], Schedule.constant(0.1))]

    def terms(self, moment: Moment) -> Terms:
        self.steps += 1
        return Terms({"square": self.x.square()})


@pytest.fixture
def without_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def loop(tmp_path, task: Task) -> Loop:
    log = MetricsLog(tmp_path / "metrics.jsonl", "s")
    return Loop("s", task, 3, LoopConfig(), 0, CheckpointStore(tmp_path / "c"), log)


def test_a_machine_with_mps_computes_on_the_cpu(tmp_path, monkeypatch, without_cuda):
    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: True))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    run = loop(tmp_path, Counted())
    run.run(resume=False)
    assert run.task.x.device == torch.device("cpu") and run.task.steps == 3


def test_a_loop_leaves_its_task_where_it_stepped_it(tmp_path):
    task = Counted()
    loop(tmp_path, task).run(resume=False)
    assert task.steps == 3 and set(task.moves) == {0}


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_an_absent_device_is_refused_and_looked_at_on_the_cpu(name, without_cuda):
    with pytest.raises(ConfigError, match=f"there is no {name} here; say auto or cpu"):
        choose_device(name)
    assert device_or_cpu(name) == torch.device("cpu")


def test_a_word_that_is_no_device_is_refused():
    with pytest.raises(ConfigError, match="'gpu' is no device; say auto, cpu, cuda"):
        choose_device("gpu")


@pytest.mark.parametrize("key", ["prior.device", "stages.nerf.loop.device"])
def test_an_absent_device_is_one_line_before_there_is_a_run_folder(key, tiny_run, tmp_path, without_cuda):
    result = CliRunner().invoke(app, ["run", "dreamfusion", "prompt=a red mug", *tiny_run, f"{key}=cuda"])
    assert result.exit_code == 2
    assert f"{key}: there is no cuda here" in result.output and "say auto or cpu" in result.output
    assert not (tmp_path / "outputs").exists()

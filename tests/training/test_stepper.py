"""One step of a task."""

import gc
import weakref

import torch

from maquette.config.schedules import Schedule
from maquette.kernels.precision import in_float32
from maquette.objectives.terms import Terms
from maquette.randomness import Moment
from maquette.training.settings import LoopConfig
from maquette.training.stepper import Stepper
from maquette.training.task import ParameterGroup, Task
from maquette.training.timings import Timings


class Remembered(Task):
    """Pulls numbers to zero, and knows whether its latest graph is still alive."""

    def __init__(self) -> None:
        super().__init__()
        self.x = torch.nn.Parameter(torch.ones(3))

    def groups(self):
        return [ParameterGroup("x", [self.x], Schedule.constant(0.1))]

    def terms(self, moment: Moment) -> Terms:
        squares = self.x.square()

        def hook(gradient: torch.Tensor) -> None:
            """Does nothing."""

        squares.register_hook(hook)  # which the graph holds, and nobody else
        self.graph = weakref.ref(hook)
        return Terms({"squares": squares.sum()})


def test_the_graph_of_a_step_does_not_outlive_it():
    task = Remembered()
    step = Stepper(task, LoopConfig(device="cpu"), Timings()).step(Moment.at(0, 1, 0))
    gc.collect()
    assert task.graph() is None and step.terms.values() == {"loss/squares": 3.0}


class Turned(Task):
    """A product that leaves autocast, as projections of a shape do."""

    def __init__(self) -> None:
        super().__init__()
        self.x = torch.nn.Parameter(torch.linspace(0.1, 1.7, 64).reshape(8, 8))

    def groups(self):
        return [ParameterGroup("x", [self.x], Schedule.constant(0.0))]

    def terms(self, moment: Moment) -> Terms:
        return Terms({"sum": in_float32(torch.matmul)(self.x, torch.linspace(-1, 2, 64).reshape(8, 8)).square().sum()})


def test_what_leaves_autocast_has_its_gradient_in_full_precision():
    gradients = []
    for precision in ("32-true", "bf16-mixed"):
        task = Turned()
        Stepper(task, LoopConfig(device="cpu", precision=precision), Timings()).step(Moment.at(0, 1, 0))
        gradients.append(task.x.grad)
    torch.testing.assert_close(gradients[1], gradients[0])

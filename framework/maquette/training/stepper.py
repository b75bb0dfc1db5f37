"""One optimiser step of a task; Lightning Fabric provides device, precision and backward pass."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from maquette.kernels.devices import choose_device
from maquette.objectives.terms import Terms
from maquette.randomness import Moment
from maquette.training.optimisers import OPTIMISERS, reindex_moments
from maquette.training.settings import LoopConfig
from maquette.training.task import ParameterGroup, Task
from maquette.training.timings import Timings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Precision: TypeAlias = Literal["32-true", "bf16-mixed"]


@dataclass(frozen=True)
class Step:
    """The result of one optimiser step.

    Args:
        terms: its loss terms and logs, detached: a graph that outlives its step holds its memory, and the shapes of
            parameters that have grown since.
        loss: their sum.
        gradient_norm: length of the whole gradient, before clipping.
        learning_rate: of the first group.
        seconds: wall time.
    """

    terms: Terms
    loss: float
    gradient_norm: float
    learning_rate: float
    seconds: float

    def values(self) -> dict[str, float]:
        """Loss, its terms, what they log, and the length of the gradient."""
        return {"loss": self.loss, **self.terms.values(), "gradient_norm": self.gradient_norm}

    @property
    def finite(self) -> bool:
        """Whether loss and gradient are finite; if not, the step changed no parameter."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)


class Stepper:
    """Steps the optimiser of a task, on the device of the settings.

    Args:
        task: the task to train; it is moved to the device.
        config: device, precision, optimiser and clipping.
        timings: adds up time by part.
    """

    def __init__(self, task: Task, config: LoopConfig, timings: Timings) -> None:
        self._task, self._timings, self._clip = task, timings, config.gradient_clip
        torch.backends.cudnn.benchmark = config.cudnn_benchmark
        self._fabric = _fabric(config)
        self._fabric.to_device(task)
        groups = task.groups()
        self._rates = [(group.learning_rate, group.factor) for group in groups]
        self._parameters = [parameter for group in groups if not group.opponent for parameter in group.parameters]
        self._opponents = [parameter for group in groups if group.opponent for parameter in group.parameters]
        self.optimizer = _optimizer(groups, config)
        self._update: Any = self._fabric.setup_optimizers(self.optimizer)

    def step(self, moment: Moment) -> Step:
        """Compute loss and gradient and step; a non-finite loss or gradient, or none, changes no parameter."""
        started = time.perf_counter()
        for group, (rate, factor) in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate.at(moment) * factor
        against = self._oppose(moment) if self._opponents else Terms()
        self.optimizer.zero_grad(set_to_none=True)
        with self._fabric.autocast():
            terms = self._task.terms(moment)
            if not terms.losses:  # all weights are 0 at this step
                rate = self.optimizer.param_groups[0]["lr"]
                return Step(terms, 0.0, 0.0, rate, time.perf_counter() - started)
            total = terms.total()
        with self._timings.measure("backward"):  # outside autocast: gradients have the precision of their forward
            self._fabric.backward(total)
        loss, length, usable = self._clipped(total, self._parameters)
        if usable:
            self._apply(moment)
        terms.logs.update(against.values())
        rate = self.optimizer.param_groups[0]["lr"]
        return Step(terms.detached(), loss, length, rate, time.perf_counter() - started)

    def _oppose(self, moment: Moment) -> Terms:
        """The opponent's own step: only its parameters have a gradient, so the optimiser leaves all others alone."""
        self.optimizer.zero_grad(set_to_none=True)
        with self._fabric.autocast():
            terms = self._task.opponent_terms(moment)
        total = terms.total()
        with self._timings.measure("opponent"):
            self._fabric.backward(total)
            if self._clipped(total, self._opponents)[2]:
                with self._fabric.autocast():
                    self._update.step()
        return terms.detached()

    def _clipped(self, total: Tensor, parameters: list[nn.Parameter]) -> tuple[float, float, bool]:
        """Clip gradients; the loss, their length before, and whether both are finite."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
        loss, length = float(total.detach()), float(norm)
        usable = math.isfinite(loss) and math.isfinite(length)
        if usable and self._clip > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._clip, norm)
        return loss, length, usable

    def _apply(self, moment: Moment) -> None:
        with self._timings.measure("optimiser"), self._fabric.autocast():  # which Muon's products take part in
            self._update.step()
        with torch.no_grad():
            for change in self._task.after_step(moment.sub("after")):
                reindex_moments(self.optimizer, change)


def _fabric(config: LoopConfig) -> Fabric:
    """On one device, and without Lightning's advice, which does not concern our users."""
    import logging

    with _hidden("torchmetrics"):  # Lightning imports it, four seconds, for nothing but its version
        from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    device = choose_device(config.device).type
    return Fabric(accelerator=device, devices=1, precision=precision_on(device, config.precision))


def precision_on(device: str, name: Precision | Literal["auto"]) -> Precision:
    """The precision that a setting means on a type of device.

    Example:
        >>> precision_on("cpu", "auto"), precision_on("cuda", "auto"), precision_on("cuda", "32-true")
        ('32-true', 'bf16-mixed', '32-true')
    """
    if name != "auto":
        return name
    return "bf16-mixed" if device == "cuda" else "32-true"


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Make a package that is not imported yet seem uninstalled inside the block."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


def _optimizer(groups: Iterable[ParameterGroup], config: LoopConfig) -> Optimizer:
    return OPTIMISERS[config.optimiser](
        [{"params": group.parameters, "lr": 0.0, "orthogonal": group.matrices} for group in groups],
        betas=config.betas,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
    )

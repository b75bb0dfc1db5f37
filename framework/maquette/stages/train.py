"""Training of a prior on a data set."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from maquette.annotations import Count
from maquette.config.parts import DatasetSpec, LearnerSpec
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.files import display_path, write_atomically
from maquette.geometry.base import ChangedRows
from maquette.kernels.devices import choose_device
from maquette.learners.adversarial import AdversarialLearner, frozen
from maquette.objectives.terms import Terms
from maquette.randomness import Draws, Moment
from maquette.registry import register
from maquette.stages.base import Stage, StageContext
from maquette.training.settings import INTERVALS, LoopConfig
from maquette.training.task import ParameterGroup, Task
from maquette.weights.loading import LEARNED_WORDS

_log = logging.getLogger(__name__)


@register("stage", "train")
class Train(Stage):
    """Train a learner on a data set; the trained model goes to `export/<stage>` in the run folder.

    Words learned by textual inversion are available to the text priors of all later stages.
    """

    changeable = ("steps", *INTERVALS)

    @dataclass(frozen=True)
    class Config:
        learner: LearnerSpec
        dataset: DatasetSpec
        steps: Count = 10_000  # optimiser steps
        batch: Count = 64  # images per step
        learning_rate: NonNegativeSchedule = Schedule.parse([[0, 0.0], ["5%", 1e-3], ["100%", 1e-5]])
        loop: LoopConfig = field(default_factory=lambda: LoopConfig(gradient_clip=1.0, epsilon=1e-8, betas=(0.9, 0.99)))

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, context: StageContext) -> None:
        config = self.config
        torch.manual_seed(context.method.seed)  # initial weights only; every later draw is keyed
        device = choose_device(config.loop.device)
        learner, dataset = config.learner.build(), config.dataset.build()
        with context.timings.measure("data"):
            dataset.prepare(device)
        learner.build(dataset)
        learner.set_memory_format(device)
        count = sum(p.numel() for p in learner.parameters() if p.requires_grad)
        _log.info("%s: %s, %s parameters, on %s", context.name, config.learner.name, f"{count:,}", device)
        task = _Training(learner, dataset, config, Draws(context.method.seed, -1, "sheet/"))
        context.train(task, config.steps, config.loop)
        learner.cpu().save(context.run.export / context.name)  # first: an evaluation that fails costs no training
        figures = learner.to(device).evaluate(dataset, Draws(context.method.seed, -1, "evaluate/"))
        for name, value in figures.items():
            _log.info("%s: %.4f", name, value)
        write_atomically(context.run.export / f"{context.name}.json", json.dumps(figures, indent=1))
        _log.info("model: %s", display_path(context.run.export / context.name))
        self.restore(context)

    def restore(self, context: StageContext) -> None:
        folder = context.run.export / context.name
        context.artifacts.models[context.name] = folder
        if (folder / LEARNED_WORDS).is_file():
            context.artifacts.words += (folder / LEARNED_WORDS,)


class _Training(Task):
    def __init__(self, learner: Any, dataset: Any, config: Any, sheet: Draws) -> None:
        super().__init__()
        self.learner, self._dataset, self._config, self._sheet = learner, dataset, config, sheet
        self._output: Any = None  # of the generator, between the opponent's step and its own

    def groups(self) -> list[ParameterGroup]:
        """The parameters in groups by their rate, the opponent's apart; of each rate, hidden matrices and others."""
        rate, matrices = self._config.learning_rate, _hidden_matrices(self.learner)
        opponent = list(self.learner.opponent.parameters()) if self._competes else []
        opposing = {id(parameter) for parameter in opponent}
        by_factor: dict[float, list[nn.Parameter]] = {1.0: []}
        for name, parameter in self.learner.named_parameters():
            if parameter.requires_grad and id(parameter) not in opposing:
                by_factor.setdefault(self.learner.rate_factor(name), []).append(parameter)
        groups = []
        for factor, parameters in by_factor.items():
            hidden = [p for p in parameters if id(p) in matrices]
            others = [p for p in parameters if id(p) not in matrices]
            groups.append(ParameterGroup("matrices", hidden, rate, matrices=True, factor=factor))
            groups.append(ParameterGroup("others", others, rate, factor=factor))
        if opponent:
            factor = self.learner.opponent_rate
            groups.append(ParameterGroup("opponent", opponent, rate, factor=factor, opponent=True))
        return groups

    @property
    def _competes(self) -> bool:
        return isinstance(self.learner, AdversarialLearner)

    def opponent_terms(self, moment: Moment) -> Terms:
        batch, draws = self._batch(moment), moment.draws.sub("loss")
        self._output = (batch, self.learner.generate(batch, draws))
        return self.learner.opponent_loss(self._output[1], batch, draws)

    def terms(self, moment: Moment) -> Terms:
        draws = moment.draws.sub("loss")
        if not self._competes:
            return self.learner.loss(self._batch(moment), draws)
        (batch, output), self._output = self._output, None
        with frozen(self.learner.opponent):
            return self.learner.generator_loss(output, batch, draws)

    def _batch(self, moment: Moment) -> Any:
        return self._dataset.batch(moment.draws.sub("batch"), self._config.batch)

    def after_step(self, moment: Moment) -> list[ChangedRows]:
        self.learner.after_step(moment.step)
        return []

    def preview(self, step: int) -> np.ndarray | None:
        return self.learner.sample_sheet(self._dataset, self._sheet)


def _hidden_matrices(module: nn.Module, smallest: int = 16) -> set[int]:
    """Ids of linear and convolution weights with both sides at least `smallest`: not those of input and output."""
    weights = (m.weight for m in module.modules() if isinstance(m, (nn.Linear, nn.Conv2d)))
    return {id(w) for w in weights if min(w.shape[0], w.shape[1]) >= smallest}

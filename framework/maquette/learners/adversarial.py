"""Learners of two networks that compete: a generator, and an opponent that tells its output from real data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.learners.base import AveragedLearner
from maquette.objectives.terms import Terms
from maquette.randomness import Draws

Data = TypeVar("Data")
Batch = TypeVar("Batch")
Output = TypeVar("Output")  # of the generator for a batch, with its graph


class AdversarialLearner(AveragedLearner[Data, Batch], Generic[Data, Batch, Output]):
    """A learner whose opponent takes a step of its own before each of the generator's.

    In a step the generator runs once: its output, detached, is what the opponent learns on, and with its graph what the
    generator learns on, against the opponent that has just stepped. Each has its own optimiser state and learning rate;
    both are in every checkpoint.

    A subclass calls `set_networks` with the generator and `set_opponent` at the end of `build`.
    """

    opponent: nn.Module
    opponent_rate: float

    def set_opponent(self, opponent: nn.Module, rate: float) -> None:
        """Register the opponent.

        Args:
            rate: its learning rate, as a multiple of the generator's.
        """
        self.opponent, self.opponent_rate = opponent, rate

    @abstractmethod
    def generate(self, batch: Batch, draws: Draws) -> Output:
        """What the generator makes for a batch."""

    @abstractmethod
    def opponent_loss(self, output: Output, batch: Batch, draws: Draws) -> Terms:
        """The opponent's loss; the generator gets no gradient from it."""

    @abstractmethod
    def generator_loss(self, output: Output, batch: Batch, draws: Draws) -> Terms:
        """The generator's loss; called while the opponent is frozen."""

    def loss(self, batch: Batch, draws: Draws) -> Terms:
        with frozen(self.opponent):
            return self.generator_loss(self.generate(batch, draws), batch, draws)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside the block, gradients flow through a module and not to its parameters, and its buffers stay as they are."""
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    training = module.training
    module.eval()
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        module.train(training)
        for parameter in trainable:
            parameter.requires_grad_(True)


def hinge_real(scores: Sequence[Float[Tensor, ...]]) -> Float[Tensor, ""]:
    """Mean of max(1 - s, 0) over the scores of real data, averaged over scales.

    Source: Lim and Ye 2017, "Geometric GAN" (arXiv 1705.02894).
    """
    return _mean([(1 - score).clamp(min=0).mean() for score in scores])


def hinge_fake(scores: Sequence[Float[Tensor, ...]]) -> Float[Tensor, ""]:
    """Mean of max(1 + s, 0) over the scores of generated data, averaged over scales; as `hinge_real`."""
    return _mean([(1 + score).clamp(min=0).mean() for score in scores])


def hinge_generator(scores: Sequence[Float[Tensor, ...]]) -> Float[Tensor, ""]:
    """Mean of -s over the scores of generated data, averaged over scales: what the generator lowers."""
    return _mean([-score.mean() for score in scores])


def feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Mean absolute difference between an opponent's features of generated and of real data, averaged over layers.

    Source: Wang et al. 2018 (pix2pixHD, arXiv 1711.11585), sec. 3.2.
    """
    return _mean([(one - other.detach()).abs().mean() for one, other in zip(fake, real, strict=True)])


def divergence_from_normal(mean: Float[Tensor, "B S"], log_variance: Float[Tensor, "B S"]) -> Float[Tensor, ""]:
    """Kullback-Leibler divergence of normal distributions from the standard one, mean over all numbers."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


def _mean(terms: list[Any]) -> Tensor:
    return torch.stack(terms).mean()

"""An encoder of pictures of landscapes, trained to say what photographs show, for a perceptual loss."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from maquette.annotations import Channels, Count, Fraction, NonNegative
from maquette.datasets.base import DescribedDataset, DescribedPictures
from maquette.landscapes.features import FeatureEncoder, FeatureSizes
from maquette.learners.base import AveragedLearner
from maquette.learners.landscape_translator import planes
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.registry import register


@register("learner", "landscape-features")
class LandscapeFeaturesLearner(AveragedLearner[DescribedDataset, DescribedPictures]):
    """Trains an encoder to tell fractions of labels and numbers of a photograph: what it is of, its hour, its slope.

    The task is only there for the features, which `landscape` compares pictures by; no label map is given to it.

    Source: the use of a classifier's features as a loss, Johnson et al. 2016 (arXiv 1603.08155), sec. 3.
    """

    @dataclass(frozen=True)
    class Config:
        widths: tuple[Channels, ...] = (24, 48, 64, 64)  # see `FeatureSizes`
        numbers_weight: NonNegative = 1.0  # of the numbers' squared errors; that of the labels' cross-entropy is 1
        average_decay: Fraction = 0.995  # of the weight average that is saved
        evaluated: Count = 256  # held-out photographs of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: DescribedDataset) -> None:
        sizes = FeatureSizes(self.config.widths, len(dataset.numbers))
        self.set_networks(FeatureEncoder(sizes), self.config.average_decay)

    def loss(self, batch: DescribedPictures, draws: Draws) -> Terms:
        logits, numbers = self.networks(planes(batch.images))
        return Terms(
            {
                "labels": functional.cross_entropy(logits, batch.fractions),
                "numbers": self.config.numbers_weight * functional.mse_loss(numbers, batch.numbers),
            }
        )

    @torch.no_grad()
    def evaluate(self, dataset: DescribedDataset, draws: Draws) -> dict[str, float]:
        """Of held-out photographs: mean absolute error of the labels' fractions, correlation of each number."""
        batch = dataset.held_out(draws, self.config.evaluated)
        logits, numbers = self.averaged(planes(batch.images))
        figures = {
            "error of the fractions": float((logits.softmax(dim=1) - batch.fractions).abs().sum(dim=1).mean() / 2)
        }
        for index, name in enumerate(dataset.numbers):
            both = torch.stack([numbers[:, index], batch.numbers[:, index]])
            figures[f"correlation of {name}"] = float(torch.corrcoef(both)[0, 1])
        return figures

    def save(self, folder: Path) -> None:
        self.averaged.save(folder)

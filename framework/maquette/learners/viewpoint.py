"""Fine-tuning of an image encoder to encode the viewpoint of an object, for novel-view models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from maquette.annotations import Count, Fraction, NonNegative, WeightsPath
from maquette.cameras.directions import wrap_deg
from maquette.datasets.base import PairDataset, PosedPairs
from maquette.learners.base import AveragedLearner, Networks
from maquette.objectives.terms import Terms
from maquette.perception.image_encoder import ImageEncoder
from maquette.perception.viewpoint_reader import ViewpointReader, azimuths_deg, directions
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import quiet

NEAR_DEG = 30.0  # largest azimuth error that `evaluate` counts as correct


@register("learner", "viewpoint")
class ViewpointLearner(AveragedLearner[PairDataset, PosedPairs]):
    """Fine-tunes a CLIP image encoder so that its embedding also encodes the camera's direction.

    The embedding of a contrastive encoder holds what captions describe, and captions rarely name the viewpoint; a model
    conditioned on a relative camera (`novel-view`) then lacks the viewpoint of the reference. Here a small network
    predicts elevation and sine and cosine of azimuth from the embedding, and a linear map predicts the original
    embedding, to preserve it; that map is not saved.
    """

    @dataclass(frozen=True)
    class Config:
        start: WeightsPath  # initial CLIP weights
        recall: NonNegative = (
            0.2  # weight of the loss that preserves the original embedding; that of the direction is 1
        )
        average_decay: Fraction = 0.99  # of the weight average that is saved
        evaluated: Count = 512  # held-out pictures of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: PairDataset) -> None:
        self.original_encoder = ImageEncoder.load(self.config.start, smooth=False)
        encoder = ImageEncoder.load(self.config.start, smooth=False)
        encoder.model.requires_grad_(True)
        networks = Networks(reader=ViewpointReader(encoder), recall=nn.Linear(encoder.width, encoder.width))
        self.set_networks(networks, self.config.average_decay)

    def loss(self, batch: PosedPairs, draws: Draws) -> Terms:
        images = torch.cat([batch.reference, batch.target])
        embedding = self.networks.reader.encoder(images)
        target = torch.cat([directions(batch.reference_cameras), directions(batch.target_cameras)]).to(embedding.device)
        predicted, recalled = self.networks.reader.direction(embedding).float(), self.networks.recall(embedding).float()
        with torch.no_grad():
            original = self.original_encoder(images)
        return Terms(
            {
                "direction": (predicted - target).square().mean(),
                "recall": self.config.recall * (recalled - original).square().mean(),
            }
        )

    @torch.no_grad()
    def evaluate(self, dataset: PairDataset, draws: Draws) -> dict[str, float]:
        """Azimuth errors on held-out references, and the fraction of the original embedding's variance that is lost."""
        networks = self.averaged
        pairs = dataset.held_out(draws, self.config.evaluated)
        embedding = networks.reader.encoder(pairs.reference)
        direction, original = networks.reader.direction(embedding), self.original_encoder(pairs.reference)
        azimuth_deg = azimuths_deg(direction)
        off = wrap_deg(azimuth_deg - pairs.reference_cameras.azimuth_deg.to(azimuth_deg)).abs()
        lost = (networks.recall(embedding) - original).square().mean() / original.var(dim=0).mean()
        return {
            "median azimuth error in degrees": float(off.median()),
            f"azimuths within {NEAR_DEG:.0f} degrees": float((off < NEAR_DEG).float().mean()),
            "lost of the embedding": float(lost),
        }

    def save(self, folder: Path) -> None:
        """Write weights that `ViewpointReader` loads; `novel-view` accepts them as `image_encoder` too."""
        networks = self.averaged
        with quiet():
            networks.reader.save(folder)

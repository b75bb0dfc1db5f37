"""An image encoder that tells from where an object is seen, for models that turn it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from maquette.cameras.directions import wrap_deg
from maquette.datasets.base import PairDataset, PosedPairs
from maquette.learners.base import AveragedLearner, Networks
from maquette.objectives.terms import Terms
from maquette.perception.image_encoder import ImageEncoder
from maquette.perception.viewpoint_reader import ViewpointReader, azimuths_deg, directions
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import quiet

NEAR_DEG = 30.0  # an azimuth within which `evaluate` counts as right


@register("learner", "viewpoint")
class ViewpointLearner(AveragedLearner[PairDataset, PosedPairs]):
    """Fine-tunes a CLIP's image tower until its embedding holds the direction of the camera beside what is seen.

    The embedding of a contrastive encoder holds what captions say, and those rarely say from where. A model told only
    by how much to turn an object (`novel-view`) then has to find out itself where it begins. Here a small network
    reads elevation, sine and cosine of azimuth out of the embedding, and a linear map the embedding as it was; that
    map is not saved.
    """

    @dataclass(frozen=True)
    class Config:
        start: str  # CLIP weights to begin with
        recall: float = 0.2  # weight of the embedding as it was, beside the direction
        average_decay: float = 0.99  # of the weight average that is saved
        evaluated: int = 512  # held-out pictures of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: PairDataset) -> None:
        self.known = ImageEncoder.load(self.config.start, smooth=False)
        encoder = ImageEncoder.load(self.config.start, smooth=False)
        encoder.model.requires_grad_(True)
        networks = Networks(reader=ViewpointReader(encoder), recall=nn.Linear(encoder.width, encoder.width))
        self.follow(networks, self.config.average_decay)

    def loss(self, batch: PosedPairs, draws: Draws) -> Terms:
        images = torch.cat([batch.reference, batch.target])
        embedding = self.networks.reader.encoder(images)
        seen = torch.cat([directions(batch.reference_cameras), directions(batch.target_cameras)]).to(embedding.device)
        found, recalled = self.networks.reader.direction(embedding).float(), self.networks.recall(embedding).float()
        with torch.no_grad():
            known = self.known(images)
        return Terms(
            {
                "direction": (found - seen).square().mean(),
                "recall": self.config.recall * (recalled - known).square().mean(),
            }
        )

    @torch.no_grad()
    def evaluate(self, dataset: PairDataset, draws: Draws) -> dict[str, float]:
        """How far found azimuths of held-out references are off, and the share of the old embedding that is lost."""
        networks = self.averaged
        pairs = dataset.held_out(draws, self.config.evaluated)
        embedding = networks.reader.encoder(pairs.reference)
        found, known = networks.reader.direction(embedding), self.known(pairs.reference)
        azimuth_deg = azimuths_deg(found)
        off = wrap_deg(azimuth_deg - pairs.reference_cameras.azimuth_deg.to(azimuth_deg)).abs()
        lost = (networks.recall(embedding) - known).square().mean() / known.var(dim=0).mean()
        return {
            "median azimuth error in degrees": float(off.median()),
            f"azimuths within {NEAR_DEG:.0f} degrees": float((off < NEAR_DEG).float().mean()),
            "lost of the embedding": float(lost),
        }

    def save(self, folder: Path) -> None:
        """Write what `ViewpointReader` loads; `novel-view` takes it for its `image_encoder` as well."""
        networks = self.averaged
        with quiet():
            networks.reader.save(folder)

"""The right view by regression of its colours, without shifts: a baseline of Deep3D."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.datasets.base import StereoDataset, StereoPairs
from maquette.learners._stereo import StereoLearner
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.registry import register


@register("learner", "stereo-direct")
class DirectLearner(StereoLearner):
    """Trains the network of Deep3D to predict the colours of the right view, by their mean absolute difference.

    Source: Xie et al. 2016 (Deep3D, arXiv 1604.03650), sec. 5, the network without its selection layer.
    """

    purpose = "direct"

    def loss(self, batch: StereoPairs, draws: Draws) -> Terms:
        pairs = self.random_crops(batch, draws.sub("crop"))
        return Terms({"difference": (self._predicted(pairs, draws.sub("dropout")) - pairs.right).abs().mean()})

    def _predicted(self, pairs: StereoPairs, draws: Draws | None = None) -> Float[Tensor, "B H W 3"]:
        return self.maps(pairs, draws).permute(0, 2, 3, 1) + 0.5

    def pictures(self, pairs: StereoPairs) -> list[Float[Tensor, "B H W 3"]]:
        return [self._predicted(pairs).clamp(0, 1)]

    @torch.no_grad()
    def evaluate(self, dataset: StereoDataset, draws: Draws) -> dict[str, float]:
        """Mean absolute difference to held-out right views."""
        differences = [
            (self._predicted(pairs).clamp(0, 1) - pairs.right).abs().mean() for pairs in self.held_out(dataset, draws)
        ]
        return {"held-out difference": float(torch.stack(differences).mean())}

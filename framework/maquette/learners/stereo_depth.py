"""Depth from one picture, learnt from true depth: the network behind the baseline depth-then-warp."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.datasets.base import StereoDataset, StereoPairs
from maquette.errors import ConfigError
from maquette.learners._stereo import StereoLearner, correlation
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.registry import register


@register("learner", "stereo-depth")
class StereoDepthLearner(StereoLearner):
    """Trains the network of Deep3D on the true shift at each pixel of the left view, by their mean absolute difference.

    A shift between parallel views is an affine function of inverse depth, so this is a monocular depth network with
    the best affine map to shifts.
    """

    purpose = "depth"

    def loss(self, batch: StereoPairs, draws: Draws) -> Terms:
        pairs = self.random_crops(batch, draws.sub("crop"))
        predicted = self._predicted(pairs, draws.sub("dropout"))
        return Terms({"shift": (predicted - self._truth(pairs)).abs().mean()})

    def _truth(self, pairs: StereoPairs) -> Float[Tensor, "B H W 1"]:
        if pairs.left_shift is None:
            raise ConfigError("the data has no true shifts", key="dataset", hint="take a data set whose depth is known")
        return pairs.left_shift

    def _predicted(self, pairs: StereoPairs, draws: Draws | None = None) -> Float[Tensor, "B H W 1"]:
        return self.maps(pairs, draws).permute(0, 2, 3, 1)

    def pictures(self, pairs: StereoPairs) -> list[Float[Tensor, "B H W 3"]]:
        return [self.grey(self._predicted(pairs)), self.grey(self._truth(pairs))]

    @torch.no_grad()
    def evaluate(self, dataset: StereoDataset, draws: Draws) -> dict[str, float]:
        """Mean absolute error of shifts in columns, and the mean correlation with the true ones."""
        errors, correlations = [], []
        for pairs in self.held_out(dataset, draws):
            predicted, truth = self._predicted(pairs), self._truth(pairs)
            errors.append((predicted - truth).abs().mean())
            correlations += [correlation(*one) for one in zip(predicted, truth, strict=True)]
        return {
            "held-out error of shifts": float(torch.stack(errors).mean()),
            "correlation of shifts": float(torch.stack(correlations).mean()),
        }

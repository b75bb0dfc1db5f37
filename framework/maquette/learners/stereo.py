"""The right view by the selection layer: the learner of Deep3D."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.datasets.base import StereoDataset, StereoPairs
from maquette.kernels.selection import select
from maquette.learners._stereo import StereoLearner, correlation
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.registry import register


@register("learner", "stereo")
class SelectionLearner(StereoLearner):
    """Trains a network to predict probabilities of shifts, of which the right view follows; it sees no depth.

    The loss is the mean absolute difference between the right view and the left one shifted by every shift, summed
    with the probabilities.

    Source: Xie et al. 2016 (Deep3D, arXiv 1604.03650), sec. 3.2 and eq. 3.
    """

    purpose = "selection"

    def loss(self, batch: StereoPairs, draws: Draws) -> Terms:
        pairs = self.random_crops(batch, draws.sub("crop"))
        probabilities = self.maps(pairs, draws.sub("dropout")).softmax(1)
        return Terms({"difference": (self._selected(pairs.left, probabilities) - pairs.right).abs().mean()})

    def _selected(
        self, left: Float[Tensor, "B H W 3"], probabilities: Float[Tensor, "B K H W"]
    ) -> Float[Tensor, "B H W 3"]:
        """The left view shifted by every shift, and summed; map 0 shows nothing."""
        columns = [float(column) for column in self.architecture.columns]
        return select(left.permute(0, 3, 1, 2), probabilities[:, 1:], columns).permute(0, 2, 3, 1)

    def _expected(self, probabilities: Float[Tensor, "B K H W"]) -> Float[Tensor, "B H W 1"]:
        """Expected shift in columns, of the shifts that show something."""
        columns = torch.tensor(self.architecture.columns).to(probabilities)
        total = probabilities[:, 1:].sum(1).clamp(min=1e-6)
        return (torch.einsum("bkhw,k->bhw", probabilities[:, 1:], columns) / total)[..., None]

    def pictures(self, pairs: StereoPairs) -> list[Float[Tensor, "B H W 3"]]:
        probabilities = self.maps(pairs).softmax(1)
        truth = [] if pairs.right_shift is None else [self.grey(pairs.right_shift)]
        return [self._selected(pairs.left, probabilities), self.grey(self._expected(probabilities)), *truth]

    @torch.no_grad()
    def evaluate(self, dataset: StereoDataset, draws: Draws) -> dict[str, float]:
        """Mean absolute difference to held-out right views, beside that of no shift at all and of the best one shift;
        and the mean correlation of expected with true shifts, where they are known."""
        differences, unshifted, shifted, correlations = [], [], [], []
        for pairs in self.held_out(dataset, draws):
            probabilities = self.maps(pairs).softmax(1)
            differences.append((self._selected(pairs.left, probabilities) - pairs.right).abs().mean())
            unshifted.append((pairs.left - pairs.right).abs().mean())
            shifted.append(self._each_shift(pairs))
            if pairs.right_shift is not None:
                expected = self._expected(probabilities)
                correlations += [correlation(*one) for one in zip(expected, pairs.right_shift, strict=True)]
        means = torch.stack(differences).mean(), torch.stack(unshifted).mean(), torch.stack(shifted).mean(0).min()
        names = ("held-out difference", "difference without a shift", "difference of the best shift")
        figures = {name: float(value) for name, value in zip(names, means, strict=True)}
        if correlations:
            figures["correlation of shifts"] = float(torch.stack(correlations).mean())
        return figures

    def _each_shift(self, pairs: StereoPairs) -> Float[Tensor, " K"]:
        """Mean absolute difference of each shift alone."""
        left, right = (view.permute(0, 3, 1, 2) for view in (pairs.left, pairs.right))
        one = left.new_ones(len(left), 1, 1, 1)
        return torch.stack([(select(left, one, [float(j)]) - right).abs().mean() for j in self.architecture.columns])

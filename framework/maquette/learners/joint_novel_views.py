"""A small Zero-1-to-3 of several views: novel views of an object that are denoised together."""

from __future__ import annotations

from maquette.datasets.base import JointPairDataset, PairDataset
from maquette.learners._diffusion import Attention
from maquette.learners.novel_view import NovelViewLearner
from maquette.priors.joint_views import join_views
from maquette.randomness import Draws
from maquette.registry import register

CHUNK = 16  # objects per batch of the evaluation


@register("learner", "joint-novel-views")
class JointNovelViewsLearner(NovelViewLearner):
    """Velocity-prediction diffusion of several views of one reference's object jointly.

    Each view is conditioned as by `novel-view`: on the reference and on its own relative camera. Self-attention runs
    over all views of an object, which have one timestep, so that they agree in what the reference does not show. The
    number of views is the data set's. It is meant to go on from a model of single views (`start`). The prior `zero123`
    loads the saved model with `views` set.

    Source: conditions, Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2; joint self-attention, Shi et al. 2023
    (MVDream, arXiv 2308.16512), sec. 3.1; six views for reconstruction, Shi et al. 2023 (Zero123++, arXiv 2310.15110).
    """

    def build(self, dataset: JointPairDataset) -> None:  # type: ignore[override]  # groups are pairs, too
        """As in `Learner`."""
        super().build(dataset)
        self.views = dataset.views
        for networks in (self.networks, self.averaged):
            join_views(networks.unet, self.views, Attention())

    def evaluate(self, dataset: PairDataset, draws: Draws, chunk: int = CHUNK) -> dict[str, float]:
        """Figures of the averaged weights, as of `novel-view`; `evaluated` and `chunk` count objects."""
        return super().evaluate(dataset, draws, chunk)

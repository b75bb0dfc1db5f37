"""Features of pictures of landscapes, for a perceptual distance: those of ImageNet know little of small renderings."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.annotations import Channels, Count
from maquette.landscapes.classes import LABELS
from maquette.perception.network_folder import SavedNetwork

_SLOPE = 0.2  # of leaky rectifiers


@dataclass(frozen=True)
class FeatureSizes:
    """Sizes of a feature encoder; they travel with the weights."""

    widths: tuple[Channels, ...] = (24, 48, 64, 64)  # channels of the convolutions, which halve the side each
    numbers: Count = 2  # that it estimates of a picture beside its labels


class FeatureEncoder(SavedNetwork):
    """Convolutions that say what a picture shows: the fraction of each label, and numbers such as the hour.

    Borders are continued, not filled with zeros, so that nothing depends on the place in the picture.
    """

    sizes = FeatureSizes
    title = "feature encoder of landscapes"
    learner = "landscape-features"

    def __init__(self, sizes: FeatureSizes) -> None:
        super().__init__()
        self.architecture = sizes
        channels = (3, *sizes.widths)
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, 2, 1, padding_mode="replicate") for inputs, outputs in pairwise(channels)
        )
        self.head = nn.Linear(sizes.widths[-1], len(LABELS) + sizes.numbers)

    def features(self, pictures: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        """Features after each convolution, of pictures with values in [0, 1]."""
        values, features = 2 * pictures - 1, []
        for layer in self.layers:
            values = functional.leaky_relu(layer(values), _SLOPE)
            features.append(values)
        return features

    def forward(
        self, pictures: Float[Tensor, "B 3 H W"]
    ) -> tuple[Float[Tensor, "B labels"], Float[Tensor, "B numbers"]]:
        """Logits of the labels' fractions, and the numbers."""
        estimates = self.head(self.features(pictures)[-1].mean(dim=(2, 3)))
        return estimates[:, : len(LABELS)], estimates[:, len(LABELS) :]


def perceptual_distance(
    encoder: FeatureEncoder, ours: Float[Tensor, "B 3 H W"], theirs: Float[Tensor, "B 3 H W"]
) -> Float[Tensor, ""]:
    """Mean over the layers of the squared distance of features, each place's scaled to unit length.

    Source: Zhang et al. 2018 (LPIPS, arXiv 1801.03924), eq. 1, with equal weights of all channels.
    """
    distances = []
    for one, other in zip(encoder.features(ours), encoder.features(theirs), strict=True):
        difference = functional.normalize(one, dim=1) - functional.normalize(other, dim=1)
        distances.append(difference.square().sum(dim=1).mean())
    return torch.stack(distances).mean()

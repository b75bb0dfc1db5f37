"""Distance of normalised features, shared by the losses `lpips` and `perceptual`."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

SQUARED_LENGTH_EPSILON = 1e-8  # added to squared lengths before the root


def squared_unit_difference(first: Float[Tensor, "B n C"], second: Float[Tensor, "B n C"]) -> Float[Tensor, "B n C"]:
    """Squared difference of two feature maps, each scaled to unit length at each of n positions.

    Source: Zhang et al. 2018 (LPIPS, arXiv 1801.03924), eq. 1, before the weights of the channels.
    """
    return (_unit(first) - _unit(second)).square()


def _unit(features: Float[Tensor, "B n C"]) -> Float[Tensor, "B n C"]:
    return features / (features.square().sum(-1, keepdim=True) + SQUARED_LENGTH_EPSILON).sqrt()

"""What perceptual distances share."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

TINY = 1e-8  # beside squared lengths


def unit_difference(ours: Float[Tensor, "B n C"], known: Float[Tensor, "B n C"]) -> Float[Tensor, "B n C"]:
    """Squared differences of features that are scaled to unit length at each of n places.

    Source: Zhang et al. 2018 (LPIPS, arXiv 1801.03924), eq. 1, before channels are weighed.
    """
    return (_unit(ours) - _unit(known)).square()


def _unit(features: Float[Tensor, "B n C"]) -> Float[Tensor, "B n C"]:
    return features / (features.square().sum(-1, keepdim=True) + TINY).sqrt()

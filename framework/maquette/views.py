"""Where a camera stands among the views that words tell apart: front, side and back."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class ViewShares:
    """How much of each view B cameras see, in [0, 1]; the three sum to 1."""

    front: Float[Tensor, " B"]
    side: Float[Tensor, " B"]
    back: Float[Tensor, " B"]


def turn_deg(azimuth_deg: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Azimuths from the front on, in [-180, 180).

    Example:
        >>> import torch
        >>> turn_deg(torch.tensor([350.0, 90.0, 180.0]))
        tensor([ -10.,   90., -180.])
    """
    return (azimuth_deg + 180) % 360 - 180


def view_shares(azimuth_deg: Float[Tensor, " B"]) -> ViewShares:
    """From front to side to back linearly in azimuth, each over 90 degrees, the same to both sides.

    Source: Armandpour et al. 2023 (Perp-Neg, arXiv 2304.04968), sec. 4: r_inter.

    Example:
        >>> import torch
        >>> view_shares(torch.tensor([0.0, 45.0, -90.0, 180.0])).side
        tensor([0.0000, 0.5000, 1.0000, 0.0000])
    """
    quarters = turn_deg(azimuth_deg).abs() / 90
    return ViewShares((1 - quarters).clamp(min=0), 1 - (quarters - 1).abs(), (quarters - 1).clamp(min=0))

"""Where a camera stands: among the views that words tell apart (front, side, back), and relative to another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras


@dataclass(frozen=True)
class ViewWeights:
    """Interpolation weights of the views front, side and back for B cameras, in [0, 1]; the three sum to 1."""

    front: Float[Tensor, " B"]
    side: Float[Tensor, " B"]
    back: Float[Tensor, " B"]


def wrap_deg(azimuth_deg: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Azimuths from the front on, in [-180, 180).

    Example:
        >>> import torch
        >>> wrap_deg(torch.tensor([350.0, 90.0, 180.0]))
        tensor([ -10.,   90., -180.])
    """
    return (azimuth_deg + 180) % 360 - 180


def view_weights(azimuth_deg: Float[Tensor, " B"]) -> ViewWeights:
    """Weights of front, side and back, linear in azimuth over 90 degrees each, the same on both sides.

    Source: Armandpour et al. 2023 (Perp-Neg, arXiv 2304.04968), sec. 4: r_inter.

    Example:
        >>> import torch
        >>> view_weights(torch.tensor([0.0, 45.0, -90.0, 180.0])).side
        tensor([0.0000, 0.5000, 1.0000, 0.0000])
    """
    quarters = wrap_deg(azimuth_deg).abs() / 90
    return ViewWeights((1 - quarters).clamp(min=0), 1 - (quarters - 1).abs(), (quarters - 1).clamp(min=0))


def relative_pose(reference: Cameras, target: Cameras) -> Float[Tensor, "B 4"]:
    """Pose of `target` cameras relative to `reference` cameras, the conditioning of Zero-1-to-3 models.

    Rows are [d theta, sin d phi, cos d phi, d r], d = target - reference: theta is the polar angle from the zenith in
    radians, so that d theta > 0 moves the camera down; phi is the azimuth, and d phi > 0 moves the camera to its
    right; r is the distance in the cameras' own units (the published models know unit cubes seen from 1.5 to 2.2).
    [0, 0, 1, 0] is the reference itself. Either batch may hold one camera for all of the other.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2, and its released data loader for the signs.

    Example:
        >>> from maquette.cameras.base import orbit_cameras
        >>> one = torch.ones(1)
        >>> front = orbit_cameras(0 * one, 0 * one, 2 * one, 40 * one, 8)
        >>> right_above = orbit_cameras(90 * one, 30 * one, 2 * one, 40 * one, 8)
        >>> [round(x, 4) + 0.0 for x in relative_pose(front, right_above)[0].tolist()]
        [-0.5236, 1.0, 0.0, 0.0]
    """
    polar = torch.deg2rad(reference.elevation_deg - target.elevation_deg)
    azimuth_change = torch.deg2rad(target.azimuth_deg - reference.azimuth_deg)
    return torch.stack(
        [polar, azimuth_change.sin(), azimuth_change.cos(), target.distance - reference.distance], dim=-1
    )

"""Projection of 2D Gaussians, flat disks in space, in plain torch for every backend."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.kernels.rotations import rotation_matrices
from maquette.kernels.splatting.reference import spread
from maquette.kernels.splatting.results import DISK_LOW_PASS, OPAQUE_DEVIATIONS, RADIUS, Projected


def project_disks(
    means: Float[Tensor, "n 3"],
    quaternions: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    rotation: Float[Tensor, "3 3"],
    position: Float[Tensor, " xyz"],
    focal: float,
    height: int,
    width: int,
    near: float,
) -> Projected:
    """As the public function with mode "2d", for a camera at `position` with axes right, down, forward in `rotation`.

    As in the reference's `project`, only the visible ones are projected with gradients.
    """

    def footprints(means: Tensor, quaternions: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
        return _project(means, quaternions, scales, rotation, position, focal, height, width)

    with torch.no_grad():
        screen, transforms = footprints(means, quaternions, scales)
        deviations = _deviations(screen, transforms, height, width)
        visible = _visible(screen, transforms, deviations, near, height, width)
    indices = visible.nonzero().squeeze(-1)
    screen, transforms = footprints(means[indices], quaternions[indices], scales[indices])
    depths, deviations = transforms[:, 2, 2], deviations[indices]
    normals = rotation_matrices(quaternions[indices])[:, :, 2]
    away = ((means[indices] - position) * normals).sum(dim=-1, keepdim=True) > 0
    low_pass = means.new_tensor([1 / DISK_LOW_PASS, 0.0, 1 / DISK_LOW_PASS])
    return Projected(
        means=spread(screen, indices, len(means)),
        depths=spread(depths, indices, len(means)),
        conics=spread(low_pass.expand(len(indices), 3), indices, len(means)),
        compensation=spread(torch.ones_like(depths), indices, len(means)),
        deviations=spread(deviations, indices, len(means)),
        radii=spread((RADIUS * deviations.amax(dim=-1)).clamp(max=height + width).ceil(), indices, len(means)),
        visible=visible,
        height=height,
        width=width,
        transforms=spread(transforms, indices, len(means)),
        normals=spread(torch.where(away, -normals, normals), indices, len(means)),
    )


def _project(
    means: Tensor,
    quaternions: Tensor,
    scales: Tensor,
    rotation: Tensor,
    position: Tensor,
    focal: float,
    height: int,
    width: int,
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 3 3"]]:
    """Screen means (u, v), and the matrices from (a, b, 1) to z (x, y, 1) with x and y counted from them."""
    axes = rotation_matrices(quaternions)[:, :, :2] * scales[:, None, :2]
    across, down, depth = (rotation @ torch.cat([axes, (means - position)[:, :, None]], dim=-1)).unbind(1)
    z = depth[:, 2:]
    centred = [focal * (row - row[:, 2:] / z * depth) for row in (across, down)]
    middle = means.new_tensor([width / 2, height / 2])
    screen = focal * torch.cat([across[:, 2:], down[:, 2:]], dim=-1) / z + middle
    return screen, torch.stack([*centred, depth], dim=1)


def _deviations(screen: Tensor, transforms: Tensor, height: int, width: int) -> Float[Tensor, "n 2"]:
    """Half sides of a box around the screen mean that holds all within R = OPAQUE_DEVIATIONS of the disk, divided by R.

    The line x = const touches the picture of the disk's rim where T_x - x T_z is tangent to the circle of radius R,
    a quadratic equation in x. A disk that reaches behind the camera has no such box: it gets the whole picture.

    A number of times fewer deviations away, a disk lies in a box at least as many times smaller: what comes nearer to
    the camera moves farther on the screen.
    """
    depth = transforms[:, 2]
    circle = transforms.new_tensor([OPAQUE_DEVIATIONS**2, OPAQUE_DEVIATIONS**2, -1.0])
    whole = -(circle * depth * depth).sum(dim=-1)  # > 0 where the rim is in front of the camera
    in_front = (depth[:, 2] > 0) & (whole > 0)
    sides = []
    for axis, size in ((0, width), (1, height)):
        row = transforms[:, axis]
        middle = -(circle * row * depth).sum(dim=-1) / whole
        half = (middle.square() + (circle * row * row).sum(dim=-1) / whole).clamp(min=0).sqrt()
        everywhere = 100 * (screen[:, axis].abs() + size)  # so many, for the faint ones whose own reach is short
        sides.append(torch.where(in_front, (middle.abs() + half) / OPAQUE_DEVIATIONS, everywhere))
    return torch.stack(sides, dim=-1).clamp(min=DISK_LOW_PASS**0.5)


def _visible(
    screen: Tensor, transforms: Tensor, deviations: Tensor, near: float, height: int, width: int
) -> Bool[Tensor, " n"]:
    u, v = screen.unbind(-1)
    reach_x, reach_y = (OPAQUE_DEVIATIONS * deviations).unbind(-1)
    inside = (u + reach_x > 0) & (u - reach_x < width) & (v + reach_y > 0) & (v - reach_y < height)
    return (transforms[:, 2, 2] > near) & inside & transforms.square().sum(dim=(1, 2)).isfinite()

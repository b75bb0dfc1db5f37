"""gsplat as a backend: its projection and its compositing. Untested on CUDA yet, so taken only when named.

gsplat's conventions are ours: camera axes right, down, forward; pixel centres at + 0.5; quaternions (w, x, y, z); the
low-pass, the hold on the slope and the compensation of `project`; conics as (a, b, c). What is converted:

- its cameras are a world-to-camera matrix and an intrinsic one, and every tensor has an axis for them;
- its radii are half sides of a box; ours, and the deviations, are taken from the conics;
- a zero quaternion means no rotation here, and would be a division by zero there.

Where it differs: alpha is held below 0.999 instead of 0.99, a pixel ends at T <= 1e-4 instead of below it, and
gradients are added up by atomic instructions. Disks are not adapted: its matrices for them have another origin.

Source: Ye et al. 2024 (gsplat, arXiv 2409.06765); written for gsplat 1.5.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.errors import ConfigError
from maquette.kernels.counting import blocks
from maquette.kernels.splatting.reference import reach
from maquette.kernels.splatting.results import LEAST_ALPHA, LOW_PASS, RADIUS, TILE, Projected

_MOST_SIDE = 2**30  # pixels; fits an int32


def project(
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
    """As the reference's."""
    import gsplat

    to_camera = torch.eye(4, dtype=means.dtype, device=means.device)
    to_camera[:3, :3], to_camera[:3, 3] = rotation, -rotation @ position
    intrinsics = means.new_tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    still = (quaternions == 0).all(dim=-1, keepdim=True)
    unit_quaternions = torch.where(still, quaternions.new_tensor([1.0, 0.0, 0.0, 0.0]), quaternions)
    sides, *rows = gsplat.fully_fused_projection(
        means, None, unit_quaternions, scales, to_camera[None], intrinsics[None], width, height,
        eps2d=LOW_PASS, near_plane=near, calc_compensations=True,
    )  # fmt: skip
    screen, depths, conics, compensation = (row[0] for row in rows)
    visible = (sides[0] > 0).all(dim=-1) & conics.isfinite().all(dim=-1)
    visible_column = visible[:, None]
    a, b, c = torch.where(visible_column, conics, conics.new_tensor([1.0, 0.0, 1.0])).detach().unbind(-1)
    deviations = (torch.stack([c, a], dim=-1) / (a * c - b * b)[:, None]).sqrt()
    least = (a + c) / 2 - torch.hypot((a - c) / 2, b)  # the smaller curvature, along the long axis
    return Projected(
        means=torch.where(visible_column, screen, 0.0),
        depths=torch.where(visible, depths, 0.0),
        conics=torch.where(visible_column, conics, 0.0),
        compensation=torch.where(visible, compensation, 0.0),
        deviations=torch.where(visible_column, deviations, 0.0),
        radii=torch.where(visible, (RADIUS * least.rsqrt()).ceil(), 0.0),
        visible=visible,
        height=height,
        width=width,
    )


def composite(
    projected: Projected, opacities: Float[Tensor, " n"], features: Float[Tensor, "n k"]
) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
    """As the reference's, for Gaussians.

    Raises:
        ConfigError: the footprints are disks.
    """
    import gsplat

    if projected.transforms is not None:
        raise ConfigError("the gsplat backend draws Gaussians, not disks", hint="take 'auto' or: triton, reference")
    height, width = projected.height, projected.width
    across, down = blocks(width, TILE), blocks(height, TILE)
    rendered = projected.visible & (opacities >= LEAST_ALPHA)
    sides = ((1.001 * reach(opacities) + 1e-3)[:, None] * projected.deviations).ceil().clamp(max=_MOST_SIDE)
    sides = torch.where(rendered[:, None], sides, 0.0).int()
    footprints = (projected.means.detach()[None], sides[None], projected.depths.detach()[None])
    _, pairs, gaussians = gsplat.isect_tiles(*footprints, TILE, across, down)
    offsets = gsplat.isect_offset_encode(pairs, 1, across, down)
    image, opacity = gsplat.rasterize_to_pixels(
        projected.means[None], projected.conics[None], features[None], opacities[None],
        width, height, TILE, offsets, gaussians,
    )  # fmt: skip
    return image[0], opacity[0, ..., 0]

"""Ray marching in plain torch: the definition that the other backends are tested against, on any device."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.kernels.marching.samples import RaySamples


def march_rays(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    step: float,
    occupancy: Bool[Tensor, "levels gx gy gz"],
    boxes: Float[Tensor, "levels 2 3"],
    jitter: Float[Tensor, " rays"],
) -> RaySamples:
    """As the public function; all pieces of all rays are made, then the occupied ones are kept."""
    longest = float((far - near).max()) if len(near) else 0.0
    pieces = max(int(longest / step), 0) + 3
    # The step is rounded to the rays' dtype once, so that every backend cuts at the same places.
    length = torch.tensor(step, dtype=near.dtype, device=near.device)
    cut = torch.arange(pieces + 1, dtype=near.dtype, device=near.device) - 1
    edges = near[:, None] + (cut + jitter[:, None]) * length
    edges = torch.minimum(torch.maximum(edges, near[:, None]), far[:, None])
    start, end = edges[:, :-1], edges[:, 1:]
    middle = (start + end) / 2
    points = origins[:, None] + middle[..., None] * directions[:, None]
    keep = (end > start) & _occupied(points, occupancy, boxes)
    ray_index = keep.nonzero()[:, 0]
    ray_start = torch.nn.functional.pad(keep.sum(dim=-1).cumsum(dim=0), (1, 0))
    return RaySamples(start[keep], end[keep], ray_start, ray_index)


def _occupied(points: Tensor, occupancy: Tensor, boxes: Tensor) -> Tensor:
    size = torch.tensor(occupancy.shape[1:], dtype=points.dtype, device=points.device)
    occupied = torch.zeros(points.shape[:-1], dtype=torch.bool, device=points.device)
    resolved = occupied
    for grid, box in zip(occupancy, boxes, strict=True):
        position = (points - box[0]) / (box[1] - box[0]) * size
        inside = ((position >= 0) & (position < size)).all(dim=-1)
        cell = torch.where(inside[..., None], position, torch.zeros_like(position)).long()
        occupied = occupied | (inside & ~resolved & grid[cell.unbind(-1)])
        resolved = resolved | inside
    return occupied

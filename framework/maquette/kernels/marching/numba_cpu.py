"""Ray marching for CPUs: one pass counts the samples of each ray, a second one writes them; rays in parallel."""

from __future__ import annotations

import numba
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.kernels.marching.samples import RaySamples
from maquette.kernels.numba_support import helper, kernel, launch


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
    """As the public function; the arithmetic is the reference's, operation by operation, so that the same are kept."""
    rays = (origins, directions, near, far, jitter, torch.tensor([step], dtype=near.dtype), occupancy, boxes)
    counts = torch.empty(len(origins), dtype=torch.int64)
    launch(_count, *rays, counts)
    ray_start = torch.nn.functional.pad(counts.cumsum(dim=0), (1, 0))
    samples = int(ray_start[-1])
    t_start, t_end = near.new_empty(samples), near.new_empty(samples)
    ray_index = torch.empty(samples, dtype=torch.int64)
    launch(_write, *rays, ray_start, t_start, t_end, ray_index)
    return RaySamples(t_start, t_end, ray_start, ray_index)


@helper
def _cut(k, near, far, jitter, step):
    """Cut k of a ray, clipped; k counts in the dtype of the ray."""
    edge = near + (k + jitter) * step
    edge = near if edge < near else edge
    return far if edge > far else edge


@helper
def _cell(position, low, high, size):
    """Cell along one axis, -1 outside and for a NaN."""
    place = (position - low) / (high - low) * size
    return np.int64(place) if place >= 0 and place < size else np.int64(-1)


@helper
def _occupied(origins, directions, ray, middle, occupancy, boxes):
    """Whether the point's cell holds something, in the first level whose box it lies in."""
    real = origins.dtype.type
    levels, nx, ny, nz = occupancy.shape
    px = origins[ray, 0] + middle * directions[ray, 0]
    py = origins[ray, 1] + middle * directions[ray, 1]
    pz = origins[ray, 2] + middle * directions[ray, 2]
    for level in range(levels):
        x = _cell(px, boxes[level, 0, 0], boxes[level, 1, 0], real(nx))
        y = _cell(py, boxes[level, 0, 1], boxes[level, 1, 1], real(ny))
        z = _cell(pz, boxes[level, 0, 2], boxes[level, 1, 2], real(nz))
        if x >= 0 and y >= 0 and z >= 0:
            return occupancy[level, x, y, z]
    return False


@kernel
def _count(origins, directions, near, far, jitter, step, occupancy, boxes, counts):
    one, two = near.dtype.type(1), near.dtype.type(2)
    for ray in numba.prange(len(origins)):
        written, k, start = 0, one - one, near[ray]
        while start < far[ray]:
            end = _cut(k, near[ray], far[ray], jitter[ray], step[0])
            if end > start and _occupied(origins, directions, ray, (start + end) / two, occupancy, boxes):
                written += 1
            start, k = end, k + one
        counts[ray] = written


@kernel
def _write(origins, directions, near, far, jitter, step, occupancy, boxes, ray_start, t_start, t_end, ray_index):
    one, two = near.dtype.type(1), near.dtype.type(2)
    for ray in numba.prange(len(origins)):
        at, k, start = ray_start[ray], one - one, near[ray]
        while at < ray_start[ray + 1] and start < far[ray]:
            end = _cut(k, near[ray], far[ray], jitter[ray], step[0])
            if end > start and _occupied(origins, directions, ray, (start + end) / two, occupancy, boxes):
                t_start[at], t_end[at], ray_index[at] = start, end, ray
                at += 1
            start, k = end, k + one

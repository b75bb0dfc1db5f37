"""Ray marching for CUDA: one pass counts the samples of each ray, a second one writes them; a block of rays a program.

The arithmetic is the reference's, operation by operation and without fused ones, so that the same samples are kept.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.kernels.counting import blocks
from maquette.kernels.marching.samples import RaySamples
from maquette.kernels.triton_support import launch

_BLOCK = 128  # rays of a program


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
    """As the public function."""
    count = len(origins)
    # The step goes in as a tensor: rounded to the rays' dtype once, as in the reference.
    length = torch.tensor([step], dtype=near.dtype, device=near.device)
    grids, (levels, *sizes) = occupancy.to(torch.uint8), occupancy.shape
    rays = (origins, directions, near, far, jitter, length, grids, boxes, *sizes, count)
    options = {"LEVELS": levels, "BLOCK": _BLOCK, "enable_fp_fusion": False}
    ray_start = torch.zeros(count + 1, dtype=torch.int64, device=near.device)
    counts, unused = ray_start[1:], ray_start  # counted into the place of the sums
    launch(_march, (blocks(count, _BLOCK),), *rays, counts, unused, near, near, unused, WRITE=False, **options)
    ray_start = ray_start.cumsum(dim=0)
    samples = int(ray_start[-1])
    t_start, t_end = near.new_empty(samples), near.new_empty(samples)
    ray_index = ray_start.new_empty(samples)
    results = (ray_start, t_start, t_end, ray_index)
    launch(_march, (blocks(count, _BLOCK),), *rays, counts, *results, WRITE=True, **options)
    return RaySamples(t_start, t_end, ray_start, ray_index)


@triton.jit
def _cell(ray, middle, inside, origins, directions, box, axis: tl.constexpr, size):
    """Cell along one axis, -1 outside and for a NaN."""
    low, high = tl.load(box + axis), tl.load(box + 3 + axis)
    origin = tl.load(origins + ray * 3 + axis, mask=inside, other=0.0)
    direction = tl.load(directions + ray * 3 + axis, mask=inside, other=0.0)
    offset = origin + middle * direction - low
    if offset.dtype == tl.float32:  # "/" is correctly rounded for doubles only
        place = tl.div_rn(offset, tl.broadcast_to(high - low, offset.shape)) * size
    else:
        place = offset / (high - low) * size
    within = (place >= 0.0) & (place < size)
    return tl.where(within, tl.where(within, place, 0.0).to(tl.int64), -1)


@triton.jit
def _march(
    origins, directions, near, far, jitter, length, occupancy, boxes, size_x, size_y, size_z, count,
    counts, ray_start, t_start, t_end, ray_index, WRITE: tl.constexpr, LEVELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Count the samples of each ray into `counts`, or write them where `ray_start` says."""
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < count
    first, last = tl.load(near + ray, mask=inside, other=0.0), tl.load(far + ray, mask=inside, other=0.0)
    shift, step = tl.load(jitter + ray, mask=inside, other=0.0), tl.load(length)
    start, k, written = first, tl.zeros_like(first), tl.zeros([BLOCK], tl.int64)
    while tl.max((start < last).to(tl.int32), axis=0) > 0:
        edge = first + (k + shift) * step
        edge = tl.where(edge < first, first, edge)
        end = tl.where(edge > last, last, edge)
        middle = (start + end) * 0.5
        resolved, keep = end <= start, tl.zeros([BLOCK], tl.int1)  # pieces without length are known to hold nothing
        for level in tl.static_range(LEVELS):
            box = boxes + level * 6
            x = _cell(ray, middle, inside, origins, directions, box, 0, size_x)
            y = _cell(ray, middle, inside, origins, directions, box, 1, size_y)
            z = _cell(ray, middle, inside, origins, directions, box, 2, size_z)
            here = (x >= 0) & (y >= 0) & (z >= 0) & (resolved == 0)
            cell = ((level * size_x + x) * size_y + y) * size_z + z
            keep = keep | (tl.load(occupancy + cell, mask=here, other=0) > 0)
            resolved = resolved | here
        if WRITE:
            at = tl.load(ray_start + ray, mask=inside, other=0) + written
            tl.store(t_start + at, start, mask=keep)
            tl.store(t_end + at, end, mask=keep)
            tl.store(ray_index + at, ray, mask=keep)
        written += keep.to(tl.int64)
        start, k = end, k + 1
    if not WRITE:
        tl.store(counts + ray, written, mask=inside)

"""Rays over a height field for CUDA: a block of rays a program, which walks until the last of them has met something.

The arithmetic is the reference's, operation by operation and without fused ones.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.counting import blocks
from maquette.kernels.height_field.hits import HeightFieldHits
from maquette.kernels.triton_support import launch

_BLOCK = 128  # rays of a program
_BITS = 62


def cast_rays(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    ground: Float[Tensor, "x y"],
    tree_base: Int[Tensor, "x y"],
    tree_bits: Int[Tensor, "x y"],
    water: float,
    reach: float,
) -> HeightFieldHits:
    """As the public function."""
    count = len(origins)
    depth, kind = torch.empty_like(origins[:, 0]), torch.empty(count, dtype=torch.uint8, device=origins.device)
    limits = torch.tensor([water, reach], dtype=origins.dtype, device=origins.device)
    highest = int(tree_bits.max()).bit_length()  # no voxel stands above
    launch(
        _cast, (blocks(count, _BLOCK),), origins, directions, ground, tree_base, tree_bits, limits, *ground.shape,
        count, highest, depth, kind, BLOCK=_BLOCK, LAST_BIT=_BITS, enable_fp_fusion=False,
    )  # fmt: skip
    return HeightFieldHits(depth, kind)


@triton.jit
def _ratio(above, below):
    """Correctly rounded division, which "/" is for doubles only."""
    if above.dtype == tl.float32:
        return tl.div_rn(above, below)
    return above / below


@triton.jit
def _span(origin, direction, most, start, end):
    """Where rays enter and leave the map along one axis."""
    parallel = direction == 0.0
    slope = tl.where(parallel, 1.0, direction)
    near, far = _ratio(-origin, slope), _ratio(most - origin, slope)
    within = (origin >= 0.0) & (origin <= most)
    first = tl.where(parallel, tl.where(within, start, float("inf")), tl.maximum(start, tl.minimum(near, far)))
    return first, tl.where(parallel, end, tl.minimum(end, tl.maximum(near, far)))


@triton.jit
def _border(origin, direction, cell):
    """Where rays leave their cells along one axis."""
    slope = tl.where(direction == 0.0, 1.0, direction)
    side = (cell + (direction > 0.0).to(tl.int64)).to(origin.dtype)
    return tl.where(direction == 0.0, float("inf"), _ratio(side - origin, slope))


@triton.jit
def _over(ox, oy, oz, dx, dy, dz, h00, h10, h01, h11, i, j, t):
    """Height of the ray over the patch of a cell at t."""
    u = tl.minimum(tl.maximum(ox + t * dx - i.to(t.dtype), 0.0), 1.0)
    v = tl.minimum(tl.maximum(oy + t * dy - j.to(t.dtype), 0.0), 1.0)
    low, high = h00 + u * (h10 - h00), h01 + u * (h11 - h01)
    return oz + t * dz - (low + v * (high - low))


@triton.jit
def _crossing(first, middle, last, start, leave):
    """Where the quadratic through three heights over the ground comes to 0."""
    slope, bend = 4.0 * middle - 3.0 * first - last, 2.0 * first - 4.0 * middle + 2.0 * last
    falling = (first >= 0.0) & (last < 0.0)
    spread = tl.where(falling, slope * slope - 4.0 * bend * first, 1.0)
    below = tl.where(falling, tl.sqrt(tl.maximum(spread, 0.0)) - slope, 1.0)
    root = _ratio(2.0 * first, tl.where(below == 0.0, 1.0, below))
    at = start + tl.minimum(tl.maximum(root, 0.0), 1.0) * (leave - start)
    return tl.where(first < 0.0, start, tl.where(falling, at, float("inf")))


@triton.jit
def _level(height, LAST_BIT: tl.constexpr):
    """Voxel of a column at a height over its base."""
    return tl.minimum(tl.maximum(tl.floor(height), -1.0), LAST_BIT).to(tl.int64)


@triton.jit
def _tree(oz, dz, base, word, start, leave, highest, LAST_BIT: tl.constexpr):
    nearest = tl.zeros_like(start) + float("inf")
    first = _level(oz + start * dz - base.to(start.dtype), LAST_BIT)
    last = _level(oz + leave * dz - base.to(start.dtype), LAST_BIT)
    slope = tl.where(dz == 0.0, 1.0, dz)
    for bit in range(highest):
        within = (tl.minimum(first, last) <= bit) & (bit <= tl.maximum(first, last)) & ((word >> bit) % 2 == 1)
        side = (base + bit + (dz < 0.0).to(tl.int64)).to(start.dtype)
        entry = tl.minimum(tl.maximum(_ratio(side - oz, slope), start), leave)
        entry = tl.where(first == bit, start, entry)
        nearest = tl.where(within, tl.minimum(nearest, entry), nearest)
    return nearest


@triton.jit
def _cast(
    origins, directions, ground, tree_base, tree_bits, limits, size_x, size_y, count, highest, depth, kind,
    BLOCK: tl.constexpr, LAST_BIT: tl.constexpr,
):  # fmt: skip
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = ray < count
    ox, dx = tl.load(origins + ray * 3, inside, other=0.0), tl.load(directions + ray * 3, inside, other=1.0)
    oy, dy = tl.load(origins + ray * 3 + 1, inside, other=0.0), tl.load(directions + ray * 3 + 1, inside, other=1.0)
    oz, dz = tl.load(origins + ray * 3 + 2, inside, other=0.0), tl.load(directions + ray * 3 + 2, inside, other=1.0)
    water, none = tl.load(limits), tl.zeros_like(ox) + float("inf")
    start, end = _span(
        ox, dx, tl.zeros_like(ox) + (size_x - 1), tl.zeros_like(ox), tl.zeros_like(ox) + tl.load(limits + 1)
    )
    start, end = _span(oy, dy, tl.zeros_like(oy) + (size_y - 1), start, end)
    falling = (dz < 0.0) & (oz >= water)
    wet = tl.where(falling, _ratio(water - oz, tl.where(falling, dz, -1.0)), none)
    end = tl.minimum(end, wet)
    active = inside & (start <= end)
    entry = tl.where(active, start, 0.0)
    i = tl.minimum(tl.maximum(tl.floor(ox + entry * dx), 0.0), size_x - 2).to(tl.int64)
    j = tl.minimum(tl.maximum(tl.floor(oy + entry * dy), 0.0), size_y - 2).to(tl.int64)
    result, what = none, tl.zeros([BLOCK], tl.int32)
    while tl.max(active.to(tl.int32), axis=0) > 0:
        along_x, along_y = _border(ox, dx, i), _border(oy, dy, j)
        leave = tl.minimum(tl.minimum(along_x, along_y), end)
        at = i * size_y + j
        h00, h01 = tl.load(ground + at, active, other=0.0), tl.load(ground + at + 1, active, other=0.0)
        h10 = tl.load(ground + at + size_y, active, other=0.0)
        h11 = tl.load(ground + at + size_y + 1, active, other=0.0)
        first = _over(ox, oy, oz, dx, dy, dz, h00, h10, h01, h11, i, j, start)
        last = _over(ox, oy, oz, dx, dy, dz, h00, h10, h01, h11, i, j, leave)
        middle = _over(ox, oy, oz, dx, dy, dz, h00, h10, h01, h11, i, j, (start + leave) * 0.5)
        to_ground = _crossing(first, middle, last, start, leave)
        word, base = tl.load(tree_bits + at, active, other=0), tl.load(tree_base + at, active, other=0)
        to_tree = _tree(oz, dz, base, word, start, leave, highest, LAST_BIT)
        nearest = tl.minimum(to_ground, to_tree)
        hit = active & (nearest < float("inf"))
        result = tl.where(hit, nearest, result)
        what = tl.where(hit, tl.where(to_tree < to_ground, 3, 1), what)
        x_first = along_x <= along_y
        i += tl.where(x_first, tl.where(dx > 0.0, 1, -1), 0)
        j += tl.where(x_first, 0, tl.where(dy > 0.0, 1, -1))
        within = (i >= 0) & (i < size_x - 1) & (j >= 0) & (j < size_y - 1)
        active = active & (hit == 0) & (leave < end) & within
        start = leave
    wet_at_last = (what == 0) & (wet <= tl.load(limits + 1))
    result, what = tl.where(wet_at_last, wet, result), tl.where(wet_at_last, 2, what)
    tl.store(depth + ray, result, mask=inside)
    tl.store(kind + ray, what.to(tl.uint8), mask=inside)

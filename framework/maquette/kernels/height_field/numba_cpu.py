"""Rays over a height field for CPUs: rays in parallel; the arithmetic is the reference's, operation by operation."""

from __future__ import annotations

import math

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.height_field.hits import GROUND, SKY, TREE, WATER, HeightFieldHits
from maquette.kernels.numba_support import helper, kernel, launch

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
    depth, kind = torch.empty_like(origins[:, 0]), torch.empty(len(origins), dtype=torch.uint8)
    limits = torch.tensor([water, reach], dtype=origins.dtype)
    launch(_cast, origins, directions, ground, tree_base, tree_bits, limits, depth, kind)
    return HeightFieldHits(depth, kind)


@helper
def _span(o, d, axis, most, start, end):
    """Where a ray enters and leaves the map along one axis."""
    origin, direction = o[axis], d[axis]
    if direction == 0:
        inside = origin >= 0 and origin <= most
        return (start, end) if inside else (o.dtype.type(np.inf), end)
    near, far = -origin / direction, (most - origin) / direction
    if near > far:
        near, far = far, near
    return max(start, near), min(end, far)


@helper
def _over(o, d, ground, i, j, t):
    """Height of the ray over the patch of a cell at t."""
    real = o.dtype.type
    u = min(max(o[0] + t * d[0] - real(i), real(0)), real(1))
    v = min(max(o[1] + t * d[1] - real(j), real(0)), real(1))
    low = ground[i, j] + u * (ground[i + 1, j] - ground[i, j])
    high = ground[i, j + 1] + u * (ground[i + 1, j + 1] - ground[i, j + 1])
    return o[2] + t * d[2] - (low + v * (high - low))


@helper
def _ground(o, d, ground, i, j, start, leave):
    real = o.dtype.type
    highest = max(max(ground[i, j], ground[i + 1, j]), max(ground[i, j + 1], ground[i + 1, j + 1]))
    if min(o[2] + start * d[2], o[2] + leave * d[2]) > highest:
        return real(np.inf)
    first, last = _over(o, d, ground, i, j, start), _over(o, d, ground, i, j, leave)
    if first < 0:
        return start
    if not last < 0:
        return real(np.inf)
    middle = _over(o, d, ground, i, j, (start + leave) / real(2))
    slope = real(4) * middle - real(3) * first - last
    bend = real(2) * first - real(4) * middle + real(2) * last
    root = real(2) * first / (real(math.sqrt(max(slope * slope - real(4) * bend * first, real(0)))) - slope)
    root = real(1) if math.isnan(root) else min(max(root, real(0)), real(1))
    return start + root * (leave - start)


@helper
def _tree(o, d, base, word, start, leave):
    real = o.dtype.type
    first = int(min(max(math.floor(o[2] + start * d[2] - real(base)), real(-1)), real(_BITS)))
    last = int(min(max(math.floor(o[2] + leave * d[2] - real(base)), real(-1)), real(_BITS)))
    step = 1 if last >= first else -1
    for bit in range(first, last + step, step):
        if 0 <= bit < _BITS and (word >> bit) & 1:
            if bit == first:
                return start
            entry = (real(base + bit + (1 if d[2] < 0 else 0)) - o[2]) / d[2]
            return min(max(entry, start), leave)
    return real(np.inf)


@helper
def _border(o, d, axis, cell):
    """Where the ray leaves a cell along one axis."""
    real = o.dtype.type
    return (real(cell + (1 if d[axis] > 0 else 0)) - o[axis]) / d[axis] if d[axis] != 0 else real(np.inf)


@helper
def _walk(o, d, ground, tree_base, tree_bits, limits):
    """Depth and kind of the first meeting of a ray."""
    real = ground.dtype.type
    width, height = ground.shape[0] - 1, ground.shape[1] - 1
    start, end = _span(o, d, 0, real(width), limits[0] - limits[0], limits[1])
    start, end = _span(o, d, 1, real(height), start, end)
    wet = (limits[0] - o[2]) / d[2] if d[2] < 0 and o[2] >= limits[0] else real(np.inf)
    end = min(end, wet)
    nothing = (wet, WATER) if wet <= limits[1] else (real(np.inf), SKY)
    if not start <= end:
        return nothing
    i = min(max(math.floor(o[0] + start * d[0]), 0), width - 1)
    j = min(max(math.floor(o[1] + start * d[1]), 0), height - 1)
    while True:
        along_x, along_y = _border(o, d, 0, i), _border(o, d, 1, j)
        leave = min(min(along_x, along_y), end)
        to_ground = _ground(o, d, ground, i, j, start, leave)
        to_tree = _tree(o, d, tree_base[i, j], tree_bits[i, j], start, leave) if tree_bits[i, j] else real(np.inf)
        if to_tree < to_ground:
            return to_tree, TREE
        if to_ground < np.inf:
            return to_ground, GROUND
        if leave >= end:
            return nothing
        if along_x <= along_y:
            i += 1 if d[0] > 0 else -1
        else:
            j += 1 if d[1] > 0 else -1
        if i < 0 or i >= width or j < 0 or j >= height:
            return nothing
        start = leave


@kernel
def _cast(origins, directions, ground, tree_base, tree_bits, limits, depth, kind):
    for ray in numba.prange(len(origins)):
        depth[ray], kind[ray] = _walk(origins[ray], directions[ray], ground, tree_base, tree_bits, limits)

"""Two other ways to encode positions with a hash grid, both in plain torch, for the benchmark.

`one_table` goes by the algorithm of nerfstudio's torch `HashEncoding`, written anew from its description: all levels at
once, every one of them hashed, 64-bit hashes, seven blends of the eight corners. `PairGathers` is the fastest form in
plain torch that we found: level by level, 32-bit hashes, both features of a corner gathered as one complex number, and
a gradient that `bincount` sums. `tests/kernels/test_independent_hash_grid.py` holds both to our reference.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from maquette.kernels.hash_grid import HashGridSpec
from maquette.kernels.hash_grid.spec import HASH_PRIMES

CORNERS = tuple(itertools.product((0, 1), repeat=3))


def one_table(points: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
    """Encoding [n, L F] of points [n, 3] in [0, 1]^3, from a table [L T, F]."""
    levels = torch.arange(spec.levels)
    growth = math.exp(math.log(spec.finest_resolution / spec.base_resolution) / max(spec.levels - 1, 1))
    scaled = points[:, None, :] * torch.floor(spec.base_resolution * growth**levels + 1e-6)[:, None]
    ends = (torch.floor(scaled).long(), torch.ceil(scaled).long())
    along = scaled - ends[0]
    factors, starts = torch.tensor([1, *HASH_PRIMES[:2]]), levels * spec.table_size

    def corner(x: int, y: int, z: int) -> Tensor:
        coordinates = torch.stack([ends[x][..., 0], ends[y][..., 1], ends[z][..., 2]], dim=-1) * factors
        hashed = coordinates[..., 0] ^ coordinates[..., 1] ^ coordinates[..., 2]
        return table[hashed % spec.table_size + starts]

    values = {at: corner(*at) for at in CORNERS}
    for axis in (0, 1, 2):
        axis_weight = along[..., axis, None]
        values = {
            at: values[(0, *at)] * (1 - axis_weight) + values[(1, *at)] * axis_weight
            for at in itertools.product((0, 1), repeat=2 - axis)
        }
    return values[()].flatten(start_dim=1)


class PairGathers(torch.autograd.Function):
    """Encoding [n, 2 L] of points [n, 3] in [0, 1]^3, from our table of two features a row; gradient to the table."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, spec: HashGridSpec) -> Tensor:
        pairs = torch.view_as_complex(table)
        encoded = table.new_empty(len(points), spec.levels, 2)
        ctx.spec, ctx.saved = spec, []
        for level in range(spec.levels):
            rows, weights = _corners(points, spec, level)
            gathered = pairs[spec.offsets[level] :].index_select(0, rows.flatten())
            encoded[:, level] = torch.view_as_real((gathered.view_as(rows) * weights).sum(dim=0))
            ctx.saved.append((rows, weights))
        return encoded.flatten(start_dim=1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[None, Tensor, None]:
        upstream, sums = upstream.unflatten(-1, (-1, 2)), []
        for level, (rows, weights) in enumerate(ctx.saved):
            size = ctx.spec.offsets[level + 1] - ctx.spec.offsets[level]
            gradients = [(weights * upstream[:, level, feature]).flatten() for feature in (0, 1)]
            sums.append(torch.stack([torch.bincount(rows.flatten(), gradient, size) for gradient in gradients], dim=-1))
        return None, torch.cat(sums), None


def _corners(points: Tensor, spec: HashGridSpec, level: int) -> tuple[Tensor, Tensor]:
    """Rows within the level, int32, and weights of the eight corners, [8, n] each."""
    resolution = spec.resolutions[level]
    scaled = points * resolution
    cell = scaled.int().clamp(max=resolution - 1)
    # A hash is taken mod a power of two, so that 32 bits may overflow.
    stride_y, stride_z = ((stride + 2**31) % 2**32 - 2**31 for stride in spec.strides[level])
    lows = (cell[:, 0], cell[:, 1] * stride_y, cell[:, 2] * stride_z)
    terms = [(low, low + stride) for low, stride in zip(lows, (1, stride_y, stride_z), strict=True)]
    axis_weights = [(1 - axis_weight, axis_weight) for axis_weight in (scaled - cell).unbind(-1)]
    weights = torch.stack([axis_weights[0][x] * axis_weights[1][y] * axis_weights[2][z] for x, y, z in CORNERS])
    if spec.dense[level]:
        return torch.stack([terms[0][x] + terms[1][y] + terms[2][z] for x, y, z in CORNERS]), weights
    hashed = torch.stack([terms[0][x] ^ terms[1][y] ^ terms[2][z] for x, y, z in CORNERS])
    return hashed & (spec.table_size - 1), weights

"""The hash grid in plain torch: the definition that the other backends are tested against, on any device."""

from __future__ import annotations

import functools
import itertools
import operator

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.hash_grid.spec import HashGridSpec


def hash_grid(
    points: Float[Tensor, "n dimensions"], table: Float[Tensor, "rows features"], spec: HashGridSpec, active_levels: int
) -> Float[Tensor, "n channels"]:
    """As the public function; autograd gives all derivatives."""
    clamped = points.clamp(0.0, 1.0)
    encoded = [_level(clamped, table, spec, level) for level in range(active_levels)]
    silent = points.new_zeros(len(points), (spec.levels - active_levels) * spec.features_per_level)
    return torch.cat([*encoded, silent], dim=-1)


def _level(clamped: Tensor, table: Tensor, spec: HashGridSpec, level: int) -> Tensor:
    resolution = torch.tensor(spec.cells[level], device=clamped.device)
    position = clamped * resolution.to(clamped.dtype)
    # The far face belongs to the last cell; a NaN is sent to the first one, and stays in the fraction.
    cell = torch.minimum(position.detach().nan_to_num(0.0).long(), resolution - 1)
    fraction = position - cell
    total = clamped.new_zeros(len(clamped), spec.features_per_level)
    for corner in itertools.product((0, 1), repeat=spec.dimensions):
        at = torch.tensor(corner, device=cell.device)
        weight = torch.where(at == 1, fraction, 1 - fraction).unbind(-1)
        total = total + functools.reduce(operator.mul, weight)[:, None] * table[_row(cell + at, spec, level)]
    return total


def _row(vertex: Tensor, spec: HashGridSpec, level: int) -> Tensor:
    strided = [along * stride for along, stride in zip(vertex.unbind(-1), (1, *spec.strides[level]), strict=True)]
    if spec.dense[level]:
        return spec.offsets[level] + functools.reduce(operator.add, strided)
    return spec.offsets[level] + (functools.reduce(operator.xor, strided) & (spec.table_size - 1))

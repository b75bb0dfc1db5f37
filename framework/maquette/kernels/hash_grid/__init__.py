"""Multiresolution hash encoding of positions: points in the unit cube -> features, by multilinear interpolation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.hash_grid.spec import HashGridSpec
from maquette.kernels.precision import in_float32

__all__ = ["HashGridSpec", "hash_grid"]


@in_float32
def hash_grid(
    points: Float[Tensor, "n dimensions"],
    table: Float[Tensor, "rows features"],
    spec: HashGridSpec,
    *,
    active_levels: int | None = None,
    backend: str = "auto",
) -> Float[Tensor, "n channels"]:
    """Look positions up in a multiresolution hash grid.

    For level l with N_l cells along an axis, p = N_l x, cell i = floor(p), fraction f = p - i,

        y_l(x) = sum over the 2^D corners c of  prod_d (c_d f_d + (1 - c_d)(1 - f_d))  table[row_l(i + c)]

    and the encoding is y_0, y_1, ... side by side. It is linear in the table and, inside a cell, multilinear in x.

    Differentiable in points and table, and twice so (the gradient of an analytic normal d density / d x). The gradient
    of the table has the same bits for the same input on every run with the numba backend.

    Args:
        points: positions in [0, 1]^D, D = spec.dimensions. Those outside are clamped onto the cube, with a zero
            gradient along each clamped axis. A NaN coordinate gives NaN features.
        table: the features of all levels one after the other, `spec.rows` x `spec.features_per_level`; of the same
            dtype (float32 or float64) and device as the points.
        spec: the levels.
        active_levels: levels from this one on give zeros, and no gradient: coarse to fine training. None means all;
            for a smooth ramp multiply the encoding by `weights.repeat_interleave(spec.features_per_level)`.
        backend: "auto", "numba", "triton" or "reference".

    Returns:
        Features, level by level; channel l F + k is feature k of level l.

    Raises:
        ValueError: a shape, dtype or device does not fit, or active_levels lies outside 1 ... levels.

    Source: Müller et al. 2022 (instant-NGP, arXiv 2201.05989), sec. 3; the second derivative is ours.

    Example:
        >>> spec = HashGridSpec(levels=4, log2_table_size=12, base_resolution=4, finest_resolution=32)
        >>> hash_grid(torch.rand(10, 3), torch.zeros(spec.rows, spec.features_per_level), spec).shape
        torch.Size([10, 8])
    """
    active = spec.levels if active_levels is None else active_levels
    _check(points, table, spec, active)
    module = implementation("hash-grid", backend, points.device.type)
    return module.hash_grid(points, table, spec, active)


def _check(points: Tensor, table: Tensor, spec: HashGridSpec, active: int) -> None:
    if points.ndim != 2 or points.shape[1] != spec.dimensions:
        raise ValueError(f"hash_grid: points are [n, {spec.dimensions}], not {list(points.shape)}")
    if tuple(table.shape) != (spec.rows, spec.features_per_level):
        expected = [spec.rows, spec.features_per_level]
        raise ValueError(f"hash_grid: the table of this spec is {expected}, not {list(table.shape)}")
    if points.dtype != table.dtype or table.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"hash_grid: points ({points.dtype}) and table ({table.dtype}) are both float32 or both float64"
        )
    if points.device != table.device:
        raise ValueError(f"hash_grid: points are on {points.device} and the table is on {table.device}")
    if not 1 <= active <= spec.levels:
        raise ValueError(f"hash_grid: active_levels is {active}; it lies between 1 and {spec.levels}")

"""The hash grid for CUDA: the encoding, its gradient to the table and its gradient to the positions.

What each one computes is in `numba_cpu.py`. The second order (the gradient of an analytic normal) is the reference's:
under `create_graph=True` the first-order gradients are computed by it, and autograd differentiates them.

The gradient of the table is added up by atomic instructions, in whatever order the programs come: two runs agree to
rounding, and not to the bit.

tiny-cuda-nn has no adapter, as its grid is another function of the table: its levels have 2^(l log2 b) N_min - 1 cells,
a number that need not be whole and is not rounded down, and the vertices of all of them are shifted by half a cell
against each other; no order of the rows makes the two agree.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.counting import blocks
from maquette.kernels.hash_grid import reference
from maquette.kernels.hash_grid.spec import HashGridSpec
from maquette.kernels.triton_support import launch, power_of_two

_BLOCK = 256  # points of a program


def hash_grid(
    points: Float[Tensor, "n dimensions"], table: Float[Tensor, "rows features"], spec: HashGridSpec, active_levels: int
) -> Float[Tensor, "n channels"]:
    """As the public function; differentiable twice in points and table."""
    return _Encode.apply(points, table, spec, active_levels)


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, points: Tensor, table: Tensor, spec: HashGridSpec, active: int) -> Tensor:
        ctx.save_for_backward(points, table)
        ctx.spec, ctx.active = spec, active
        encoded = points.new_zeros(len(points), spec.channels)
        programs = (blocks(len(points), _BLOCK), active)
        launch(_interpolate, programs, points, table, *_levels(spec, points), len(points), encoded, **_sizes(spec))
        return encoded

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, table = ctx.saved_tensors
        if torch.is_grad_enabled():
            return (*_differentiable_gradients(ctx, points, table, grad), None, None)
        spec, active, count = ctx.spec, ctx.active, len(points)
        to_points = to_table = None
        if ctx.needs_input_grad[0]:
            to_points = points.new_empty(count, spec.dimensions)
            arguments = (points, table, *_levels(spec, points), count, grad, active, to_points)
            launch(_slope, (blocks(count, _BLOCK),), *arguments, **_sizes(spec))
        if ctx.needs_input_grad[1]:
            to_table = points.new_zeros(spec.rows, spec.features_per_level)
            programs = (blocks(count, _BLOCK), active)
            launch(_scatter, programs, points, grad, *_levels(spec, points), count, to_table, **_sizes(spec))
        return to_points, to_table, None, None


def _differentiable_gradients(ctx: Any, points: Tensor, table: Tensor, grad: Tensor) -> list[Tensor | None]:
    encoded = reference.hash_grid(points, table, ctx.spec, ctx.active)
    needs_grad = ctx.needs_input_grad[:2]
    inputs = [tensor for tensor, needed in zip((points, table), needs_grad, strict=True) if needed]
    grads = iter(torch.autograd.grad(encoded, inputs, grad, create_graph=True))
    return [next(grads) if needed else None for needed in needs_grad]


def _sizes(spec: HashGridSpec) -> dict[str, int]:
    features = spec.features_per_level
    lanes = power_of_two(features)
    return {"D": spec.dimensions, "CHANNELS": spec.channels, "F": features, "LANES": lanes, "BLOCK": _BLOCK}


def _levels(spec: HashGridSpec, points: Tensor) -> tuple[Tensor, Tensor]:
    return _levels_on(spec, points.device, points.dtype)


@lru_cache(maxsize=64)
def _levels_on(spec: HashGridSpec, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The spec as the kernels take it: resolutions [L, D]; and for each level its first row, its hash mask, 0 where it
    is dense, and the strides of the second and later axes [L, D + 1]."""
    layout = [
        (offset, 0 if dense else spec.table_size - 1, *strides)
        for offset, strides, dense in zip(spec.offsets[:-1], spec.strides, spec.dense, strict=True)
    ]
    return torch.tensor(spec.cells, dtype=dtype, device=device), torch.tensor(layout, device=device)


# A kernel names five axes; those from D on are constants, which the compiler removes: cell 0, fraction 0, weight 1.


@triton.jit
def _locate(points, i, inside, axis: tl.constexpr, resolutions, level, D: tl.constexpr):
    """Cell, fraction and d position / d coordinate along an axis; a NaN is sent to the first cell, and stays in the
    fraction. The far face belongs to the last cell."""
    if axis >= D:
        return tl.zeros_like(i).to(tl.uint32), i.to(points.dtype.element_ty) * 0.0, i.to(points.dtype.element_ty) * 0.0
    resolution = tl.load(resolutions + level * D + axis)
    x = tl.load(points + i * D + axis, mask=inside, other=0.0)
    scale = tl.where((x >= 0.0) & (x <= 1.0), resolution, resolution * 0.0)
    position = x * resolution
    position = tl.where(position < 0.0, 0.0, position)
    position = tl.where(position > resolution, resolution, position)
    cell = tl.where(position >= 0.0, position, 0.0).to(tl.int32)
    cell = tl.minimum(cell, resolution.to(tl.int32) - 1)
    return cell.to(tl.uint32), position - cell, scale


@triton.jit
def _strided(cell, level, layout, corner: tl.constexpr, axis: tl.constexpr, D: tl.constexpr):
    """What an axis adds to the row of a corner of each cell."""
    if axis >= D:
        return cell
    if axis == 0:
        return cell + corner % 2
    return (cell + corner // 2**axis % 2) * tl.load(layout + level * (D + 1) + 1 + axis).to(tl.uint32)


@triton.jit
def _entries(x, y, z, u, v, level, layout, corner: tl.constexpr, D: tl.constexpr, F: tl.constexpr, LANES: tl.constexpr):
    """Places in the table of the features at a corner (x + 2 y + 4 z + ...) of each cell; [BLOCK, LANES]."""
    first = tl.load(layout + level * (D + 1))
    mask = tl.load(layout + level * (D + 1) + 1).to(tl.uint32)
    x, y = _strided(x, level, layout, corner, 0, D), _strided(y, level, layout, corner, 1, D)
    z, u = _strided(z, level, layout, corner, 2, D), _strided(u, level, layout, corner, 3, D)
    v = _strided(v, level, layout, corner, 4, D)
    row = tl.where(mask == 0, x + y + z + u + v, (x ^ y ^ z ^ u ^ v) & mask).to(tl.int64) + first
    return row[:, None] * F + tl.arange(0, LANES)[None, :]


@triton.jit
def _weigh(f, corner: tl.constexpr, axis: tl.constexpr, D: tl.constexpr):
    """Weight of a corner along one axis: f at the far end, 1 - f at the near one."""
    if axis >= D:
        return f + 1.0
    return f if corner // 2**axis % 2 else 1.0 - f


@triton.jit
def _product(fx, fy, fz, fu, fv, corner: tl.constexpr, D: tl.constexpr):
    """Interpolation weight of a corner."""
    weight = _weigh(fx, corner, 0, D) * _weigh(fy, corner, 1, D) * _weigh(fz, corner, 2, D)
    return weight * _weigh(fu, corner, 3, D) * _weigh(fv, corner, 4, D)


@triton.jit
def _interpolate(
    points, table, resolutions, layout, count, encoded,
    D: tl.constexpr, CHANNELS: tl.constexpr, F: tl.constexpr, LANES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    level, inside = tl.program_id(1), i < count
    lane = tl.arange(0, LANES)[None, :]
    valid = inside[:, None] & (lane < F)
    x, fx, _ = _locate(points, i, inside, 0, resolutions, level, D)
    y, fy, _ = _locate(points, i, inside, 1, resolutions, level, D)
    z, fz, _ = _locate(points, i, inside, 2, resolutions, level, D)
    u, fu, _ = _locate(points, i, inside, 3, resolutions, level, D)
    v, fv, _ = _locate(points, i, inside, 4, resolutions, level, D)
    total = tl.zeros([BLOCK, LANES], points.dtype.element_ty)
    for corner in tl.static_range(2**D):
        places = _entries(x, y, z, u, v, level, layout, corner, D, F, LANES)
        total += _product(fx, fy, fz, fu, fv, corner, D)[:, None] * tl.load(table + places, valid, other=0.0)
    tl.store(encoded + i[:, None] * CHANNELS + level * F + lane, total, mask=valid)


@triton.jit
def _scatter(
    points, grad, resolutions, layout, count, to_table,
    D: tl.constexpr, CHANNELS: tl.constexpr, F: tl.constexpr, LANES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    level, inside = tl.program_id(1), i < count
    lane = tl.arange(0, LANES)[None, :]
    valid = inside[:, None] & (lane < F)
    x, fx, _ = _locate(points, i, inside, 0, resolutions, level, D)
    y, fy, _ = _locate(points, i, inside, 1, resolutions, level, D)
    z, fz, _ = _locate(points, i, inside, 2, resolutions, level, D)
    u, fu, _ = _locate(points, i, inside, 3, resolutions, level, D)
    v, fv, _ = _locate(points, i, inside, 4, resolutions, level, D)
    upstream = tl.load(grad + i[:, None] * CHANNELS + level * F + lane, mask=valid, other=0.0)
    for corner in tl.static_range(2**D):
        places = _entries(x, y, z, u, v, level, layout, corner, D, F, LANES)
        tl.atomic_add(to_table + places, _product(fx, fy, fz, fu, fv, corner, D)[:, None] * upstream, mask=valid)


@triton.jit
def _sign(corner: tl.constexpr, axis: tl.constexpr):
    """Derivative of a corner's weight along one axis by the fraction."""
    return corner // 2**axis % 2 * 2 - 1


@triton.jit
def _slope(
    points, table, resolutions, layout, count, grad, active, to_points,
    D: tl.constexpr, CHANNELS: tl.constexpr, F: tl.constexpr, LANES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < count
    lane = tl.arange(0, LANES)[None, :]
    valid = inside[:, None] & (lane < F)
    to_x = tl.zeros([BLOCK], points.dtype.element_ty)
    to_y, to_z, to_u, to_v = tl.zeros_like(to_x), tl.zeros_like(to_x), tl.zeros_like(to_x), tl.zeros_like(to_x)
    for level in range(active):
        x, fx, scale_x = _locate(points, i, inside, 0, resolutions, level, D)
        y, fy, scale_y = _locate(points, i, inside, 1, resolutions, level, D)
        z, fz, scale_z = _locate(points, i, inside, 2, resolutions, level, D)
        u, fu, scale_u = _locate(points, i, inside, 3, resolutions, level, D)
        v, fv, scale_v = _locate(points, i, inside, 4, resolutions, level, D)
        upstream = tl.load(grad + i[:, None] * CHANNELS + level * F + lane, mask=valid, other=0.0)
        along_x, along_y, along_z = tl.zeros_like(to_x), tl.zeros_like(to_x), tl.zeros_like(to_x)
        along_u, along_v = tl.zeros_like(to_x), tl.zeros_like(to_x)
        for corner in tl.static_range(2**D):
            places = _entries(x, y, z, u, v, level, layout, corner, D, F, LANES)
            product = tl.sum(tl.load(table + places, mask=valid, other=0.0) * upstream, axis=1)
            wx, wy, wz = _weigh(fx, corner, 0, D), _weigh(fy, corner, 1, D), _weigh(fz, corner, 2, D)
            wu, wv = _weigh(fu, corner, 3, D), _weigh(fv, corner, 4, D)
            along_x += _sign(corner, 0) * wy * wz * wu * wv * product
            along_y += _sign(corner, 1) * wx * wz * wu * wv * product
            along_z += _sign(corner, 2) * wx * wy * wu * wv * product
            along_u += _sign(corner, 3) * wx * wy * wz * wv * product
            along_v += _sign(corner, 4) * wx * wy * wz * wu * product
        to_x, to_y, to_z = to_x + scale_x * along_x, to_y + scale_y * along_y, to_z + scale_z * along_z
        to_u, to_v = to_u + scale_u * along_u, to_v + scale_v * along_v
    tl.store(to_points + i * D, to_x, mask=inside)
    tl.store(to_points + i * D + 1, to_y, mask=inside)
    tl.store(to_points + i * D + 2, to_z, mask=inside & (D > 2))
    tl.store(to_points + i * D + 3, to_u, mask=inside & (D > 3))
    tl.store(to_points + i * D + 4, to_v, mask=inside & (D > 4))

"""The hash grid for CPUs: the autograd functions around the compiled loops of `numba_loops.py`.

With W(x) the interpolation weights, the encoding is y = W(x) T for a table T. For upstream gradients g of y,

    first order    dT = W^T g                     dx = grad_x <g, W T>

and for upstream gradients u of dx and V of dT, with D the derivative of W along u (in x),

    second order   dg = D T + W V     dT = D^T g     dx = grad_x <g, D T> + grad_x <g, W V>

so that four loops serve all: interpolate (W T or D T), scatter (W^T g or D^T g), slope (grad_x <g, W T>) and
curvature (grad_x <g, D T>).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.counting import blocks
from maquette.kernels.hash_grid import numba_loops as loops
from maquette.kernels.hash_grid.spec import HashGridSpec
from maquette.kernels.numba_support import launch, threads

_SHORT_RUN = 2048
_CACHED_BYTES = 2**19  # of a core's second-level cache


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
        return _interpolate(points, None, table, spec, active)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        points, table = ctx.saved_tensors
        needs_grad = ctx.needs_input_grad[:2]
        return (*_EncodeBackward.apply(points, table, grad, ctx.spec, ctx.active, needs_grad), None, None)


class _EncodeBackward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        points: Tensor,
        table: Tensor,
        grad: Tensor,
        spec: HashGridSpec,
        active: int,
        needs_grad: tuple[bool, ...],
    ) -> tuple[Tensor | None, Tensor | None]:
        ctx.save_for_backward(points, table, grad)
        ctx.spec, ctx.active = spec, active
        ctx.set_materialize_grads(False)
        to_points = _slope(points, table, grad, spec, active) if needs_grad[0] else None
        to_table = _scatter(points, None, grad, spec, active) if needs_grad[1] else None
        return to_points, to_table

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along: Tensor | None, tangent: Tensor | None) -> tuple[Tensor | None, ...]:
        """`along` is u and `tangent` is V of the module's docstring; either is None where no loss depends on it."""
        points, table, grad = ctx.saved_tensors
        spec, active = ctx.spec, ctx.active
        needs_points, needs_table, needs_grad = ctx.needs_input_grad[:3]
        to_points = to_table = to_grad = None
        if along is not None:
            to_grad = _interpolate(points, along, table, spec, active) if needs_grad else None
            to_table = _scatter(points, along, grad, spec, active) if needs_table else None
            to_points = _curvature(points, along, table, grad, spec, active) if needs_points else None
        if tangent is not None:
            to_grad = _sum(to_grad, _interpolate(points, None, tangent, spec, active)) if needs_grad else None
            to_points = _sum(to_points, _slope(points, tangent, grad, spec, active)) if needs_points else None
        return to_points, to_table, to_grad, None, None, None


def _interpolate(points: Tensor, along: Tensor | None, table: Tensor, spec: HashGridSpec, active: int) -> Tensor:
    encoded = points.new_empty(len(points), spec.channels)
    launch(loops.interpolate, points, along, table, *_levels(spec, active, points.dtype), _run(points, spec), encoded)
    return encoded


def _scatter(points: Tensor, along: Tensor | None, grad: Tensor, spec: HashGridSpec, active: int) -> Tensor:
    to_table = points.new_empty(spec.rows, spec.features_per_level)
    launch(loops.scatter, points, along, grad, *_levels(spec, active, points.dtype), threads(), to_table)
    return to_table


def _slope(points: Tensor, table: Tensor, grad: Tensor, spec: HashGridSpec, active: int) -> Tensor:
    to_points = torch.empty_like(points, memory_format=torch.contiguous_format)
    launch(loops.slope, points, table, grad, *_levels(spec, active, points.dtype), _run(points, spec), to_points)
    return to_points


def _curvature(points: Tensor, along: Tensor, table: Tensor, grad: Tensor, spec: HashGridSpec, active: int) -> Tensor:
    to_points = torch.empty_like(points, memory_format=torch.contiguous_format)
    launch(
        loops.curvature, points, along, table, grad, *_levels(spec, active, points.dtype), _run(points, spec), to_points
    )
    return to_points


def _run(points: Tensor, spec: HashGridSpec) -> int:
    """Points that visit one level before the next: few, to keep the encoding cached; many where the table is large."""
    level_bytes = spec.table_size * spec.features_per_level * points.element_size()
    return _SHORT_RUN if level_bytes <= _CACHED_BYTES else max(blocks(len(points), threads()), _SHORT_RUN)


def _sum(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second


@lru_cache(maxsize=64)
def _levels(spec: HashGridSpec, active: int, dtype: torch.dtype) -> tuple[Any, ...]:
    """The spec as the loops take it: resolutions [active, D], layout [L, 3 + D], and tuples of lengths F and D."""
    kind = np.float32 if dtype == torch.float32 else np.float64
    layout = [
        (offset, end, 0 if dense else spec.table_size - 1, 1, *strides)
        for offset, end, strides, dense in zip(
            spec.offsets[:-1], spec.offsets[1:], spec.strides, spec.dense, strict=True
        )
    ]
    lanes, axes = (0,) * spec.features_per_level, (0,) * spec.dimensions
    return np.array(spec.cells[:active], kind), np.array(layout, np.uint64), lanes, axes

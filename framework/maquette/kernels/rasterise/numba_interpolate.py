"""Interpolation for CPUs: rows of pixels in parallel, and vertices in parallel for their gradient.

As in `numba_cpu.py`, a thread owns some vertices and walks over all pixels in one order.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.counting import blocks
from maquette.kernels.numba_support import kernel, launch, threads

OWNED_VERTICES = 6  # log2 of how many vertices in a row belong to one thread


def interpolate(
    attributes: Float[Tensor, "A V C"],
    triangle: Int[Tensor, "B H W"],
    uv: Float[Tensor, "B H W 2"],
    triangles: Int[Tensor, "F 3"],
    total: float,
) -> Float[Tensor, "B H W C"]:
    """u a_0 + v a_1 + (total - u - v) a_2: total is 1 for values, and 0 for derivatives."""
    return _Interpolate.apply(attributes, triangle, uv, triangles, total)


def owners_for(independent: int) -> int:
    """Into how many parts, a power of two, `independent` pieces of work are cut to occupy all threads."""
    return 1 << (blocks(threads(), max(independent, 1)) - 1).bit_length()


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, attributes: Tensor, triangle: Tensor, uv: Tensor, triangles: Tensor, total: float) -> Tensor:
        out = attributes.new_empty(*triangle.shape, attributes.shape[-1])
        launch(_interpolate, attributes, triangle, uv, triangles, total, out)
        ctx.save_for_backward(attributes, triangle, uv, triangles)
        ctx.total = total
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        attributes, triangle, uv, triangles = ctx.saved_tensors
        to_attributes = to_uv = None
        if ctx.needs_input_grad[0]:
            to_attributes = torch.zeros(attributes.shape, dtype=torch.float64)
            owners = owners_for(len(attributes))
            launch(_to_attributes, triangle, uv, triangles, ctx.total, grad, owners, OWNED_VERTICES, to_attributes)
            to_attributes = to_attributes.to(attributes.dtype)
        if ctx.needs_input_grad[2]:
            to_uv = torch.empty_like(uv, memory_format=torch.contiguous_format)
            launch(_to_uv, attributes, triangle, triangles, grad, to_uv)
        return to_attributes, None, to_uv, None, None


@kernel
def _interpolate(attributes, triangle, uv, triangles, total, out):
    images, height, width = triangle.shape
    for line in numba.prange(images * height):
        image, row = line // height, line % height
        values = attributes[image % len(attributes)]
        for column in range(width):
            face = triangle[image, row, column]
            if face < 0:
                out[image, row, column] = 0
                continue
            i, j, k = triangles[face]
            u, v = uv[image, row, column, 0], uv[image, row, column, 1]
            rest = uv.dtype.type(total) - u - v
            for channel in range(out.shape[3]):
                mixed = u * values[i, channel] + v * values[j, channel] + rest * values[k, channel]
                out[image, row, column, channel] = mixed


@kernel
def _to_attributes(triangle, uv, triangles, total, grad, owners, owned, to_attributes):
    images, height, width = triangle.shape
    sets = len(to_attributes)
    for task in numba.prange(sets * owners):
        group, owner = task // owners, task % owners
        to = to_attributes[group]
        own, weights, loaded = np.empty(3, np.bool_), np.empty(3), -1
        for image in range(group, images, sets):
            for row in range(height):
                for column in range(width):
                    face = triangle[image, row, column]
                    if face < 0:
                        continue
                    if face != loaded:
                        for k in range(3):
                            own[k] = (triangles[face, k] >> owned) & (owners - 1) == owner
                        loaded = face
                    weights[0], weights[1] = uv[image, row, column, 0], uv[image, row, column, 1]
                    weights[2] = total - weights[0] - weights[1]
                    for k in range(3):
                        if own[k]:
                            vertex = triangles[face, k]
                            for channel in range(grad.shape[3]):
                                to[vertex, channel] += weights[k] * grad[image, row, column, channel]


@kernel
def _to_uv(attributes, triangle, triangles, grad, to_uv):
    images, height, width = triangle.shape
    zero = to_uv.dtype.type(0)
    for line in numba.prange(images * height):
        image, row = line // height, line % height
        values = attributes[image % len(attributes)]
        for column in range(width):
            to_u, to_v = zero, zero
            face = triangle[image, row, column]
            if face >= 0:
                i, j, k = triangles[face]
                for channel in range(grad.shape[3]):
                    upstream = grad[image, row, column, channel]
                    to_u += upstream * (values[i, channel] - values[k, channel])
                    to_v += upstream * (values[j, channel] - values[k, channel])
            to_uv[image, row, column, 0], to_uv[image, row, column, 1] = to_u, to_v

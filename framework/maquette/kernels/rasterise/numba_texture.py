"""Texture sampling for CPUs: pixels in parallel; for the texture's gradient, blocks of texels in parallel.

A thread owns some texels and walks over all pixels in one order, so that the bits do not depend on how many there are.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.numba_support import helper, kernel, launch
from maquette.kernels.rasterise.numba_interpolate import owners_for

_OWNED = 10  # log2 of how many texels in a row belong to one thread


def sample_texture(
    texels: Float[Tensor, "T N C"],
    sizes: Int[Tensor, "L 2"],
    uv: Float[Tensor, "B H W 2"],
    level: Float[Tensor, "B H W"] | None,
    nearest: bool,
    repeat: bool,
) -> Float[Tensor, "B H W C"]:
    """As the public function, from the texels of all levels one after the other and the rows and columns of each."""
    level = uv.new_zeros(uv.shape[:3]) if level is None else level
    starts = torch.nn.functional.pad(sizes.prod(dim=-1).cumsum(0), (1, 0))[:-1]
    layout = torch.cat([starts[:, None], sizes], dim=1)
    out = _Sample.apply(texels, layout, uv.flatten(1, 2), level.flatten(1), nearest, repeat)
    return out.unflatten(1, uv.shape[1:3])


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, texels: Tensor, layout: Tensor, uv: Tensor, level: Tensor, nearest: bool, repeat: bool
    ) -> Tensor:
        out = texels.new_empty(*uv.shape[:2], texels.shape[-1])
        launch(_sample, texels, layout, uv, level, nearest, repeat, out)
        ctx.save_for_backward(texels, layout, uv, level)
        ctx.mode = (nearest, repeat)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        texels, layout, uv, level = ctx.saved_tensors
        to_texels = to_uv = None
        if ctx.needs_input_grad[0]:
            to_texels = torch.zeros_like(texels, memory_format=torch.contiguous_format)
            launch(_to_texels, layout, uv, level, *ctx.mode, grad, owners_for(len(texels)), _OWNED, to_texels)
        if ctx.needs_input_grad[2]:
            to_uv = torch.zeros_like(uv, memory_format=torch.contiguous_format)
            if not ctx.mode[0]:
                launch(_to_uv, texels, layout, uv, level, ctx.mode[1], grad, to_uv)
        return to_texels, None, to_uv, None, None, None


@helper
def _place(coordinate, size, nearest, repeat):
    """The two texels beside a coordinate along one axis, and the weight of the second; by the reference's rounding."""
    real = coordinate.dtype.type
    inside = coordinate[0] - np.floor(coordinate[0]) if repeat else min(max(coordinate[0], real(-1)), real(2))
    position = inside * real(size) - (real(0) if nearest else real(0.5))
    cell = np.floor(position)
    low = int(cell) if np.isfinite(cell) else 0
    fraction = real(0) if nearest else position - cell
    if repeat:  # low lies between -1 and size, ends included
        low = low + size if low < 0 else (low - size if low >= size else low)
        return low, (low + 1 if low + 1 < size else 0), fraction
    return min(max(low, 0), size - 1), min(max(low + 1, 0), size - 1), fraction


@helper
def _taps(uv, level, layout, nearest, repeat):
    """The texels above left, above right, below left and below right of uv on a level, and the fractions."""
    start, width = layout[level, 0], layout[level, 2]
    left, right, x = _place(uv[0:1], width, nearest, repeat)
    above, below, y = _place(uv[1:2], layout[level, 1], nearest, repeat)
    above, below = start + above * width, start + below * width
    return (above + left, above + right, below + left, below + right), x, y


@helper
def _weights(x, y, level_weight):
    return (
        level_weight * (1 - x) * (1 - y),
        level_weight * x * (1 - y),
        level_weight * (1 - x) * y,
        level_weight * x * y,
    )


@kernel
def _sample(texels, layout, uv, level, nearest, repeat, out):
    images, pixels, channels = out.shape
    for item in numba.prange(images * pixels):
        image, pixel = item // pixels, item % pixels
        values, at = texels[image % len(texels)], out[image, pixel]
        fine = int(level[image, pixel])
        coarse_share = level[image, pixel] - fine
        at[:] = 0
        for step in range(2 if coarse_share > 0 else 1):
            texel, x, y = _taps(uv[image, pixel], fine + step, layout, nearest, repeat)
            weight = _weights(x, y, coarse_share if step else 1 - coarse_share)
            for channel in range(channels):
                above = weight[0] * values[texel[0], channel] + weight[1] * values[texel[1], channel]
                below = weight[2] * values[texel[2], channel] + weight[3] * values[texel[3], channel]
                at[channel] += above + below


@kernel
def _to_texels(layout, uv, level, nearest, repeat, grad, owners, owned, to_texels):
    images, pixels, channels = grad.shape
    sets = len(to_texels)
    for task in numba.prange(sets * owners):
        group, owner = task // owners, task % owners
        to = to_texels[group]
        for image in range(group, images, sets):
            for pixel in range(pixels):
                fine = int(level[image, pixel])
                coarse_share = level[image, pixel] - fine
                for step in range(2 if coarse_share > 0 else 1):
                    texel, x, y = _taps(uv[image, pixel], fine + step, layout, nearest, repeat)
                    weight = _weights(x, y, coarse_share if step else 1 - coarse_share)
                    for tap in range(1 if nearest else 4):
                        if (texel[tap] >> owned) & (owners - 1) == owner:
                            for channel in range(channels):
                                to[texel[tap], channel] += weight[tap] * grad[image, pixel, channel]


@kernel
def _to_uv(texels, layout, uv, level, repeat, grad, to_uv):
    images, pixels, channels = grad.shape
    for item in numba.prange(images * pixels):
        image, pixel = item // pixels, item % pixels
        values, fine = texels[image % len(texels)], int(level[image, pixel])
        coarse_share = level[image, pixel] - fine
        for step in range(2 if coarse_share > 0 else 1):
            texel, x, y = _taps(uv[image, pixel], fine + step, layout, False, repeat)
            to_x, to_y = 0.0, 0.0
            for channel in range(channels):
                upstream = grad[image, pixel, channel]
                one, two = values[texel[0], channel], values[texel[1], channel]
                three, four = values[texel[2], channel], values[texel[3], channel]
                to_x += upstream * ((1 - y) * (two - one) + y * (four - three))
                to_y += upstream * ((1 - x) * (three - one) + x * (four - two))
            level_weight = coarse_share if step else 1 - coarse_share
            to_uv[image, pixel, 0] += level_weight * layout[fine + step, 2] * to_x
            to_uv[image, pixel, 1] += level_weight * layout[fine + step, 1] * to_y

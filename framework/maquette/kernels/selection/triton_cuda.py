"""The selection layer for CUDA, and its gradients to the image and to the probabilities.

The gradient of the image is added up by atomic instructions, in whatever order the programs come: two runs agree to
rounding, and not to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.counting import blocks
from maquette.kernels.selection.reference import resized, split
from maquette.kernels.triton_support import launch

_BLOCK = 128  # columns of a program


def select(
    image: Float[Tensor, "b c H W"], probabilities: Float[Tensor, "b d h w"], shifts: Sequence[float]
) -> Float[Tensor, "b c H W"]:
    """As the public function."""
    selected: Tensor = _Select.apply(image, resized(probabilities, image), tuple(shifts))
    return selected


class _Select(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, probabilities: Tensor, shifts: tuple[float, ...]) -> Tensor:
        ctx.save_for_backward(image, probabilities)
        ctx.shifts = shifts
        result = torch.empty_like(image, memory_format=torch.contiguous_format)
        launch(_select, _programs(image), image, probabilities, *_columns(shifts, image), *_sizes(image), result,
               SHIFTS=len(shifts), BLOCK=_BLOCK)  # fmt: skip
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        image, probabilities = ctx.saved_tensors
        columns, constants = _columns(ctx.shifts, image), {"SHIFTS": len(ctx.shifts), "BLOCK": _BLOCK}
        to_image = to_probabilities = None
        if ctx.needs_input_grad[0]:
            to_image = torch.zeros_like(image, memory_format=torch.contiguous_format)
            launch(_spread, _programs(image), grad, probabilities, *columns, *_sizes(image), to_image, **constants)
        if ctx.needs_input_grad[1]:
            to_probabilities = torch.empty_like(probabilities, memory_format=torch.contiguous_format)
            launch(_correlate, _programs(image), image, grad, *columns, *_sizes(image), to_probabilities, **constants)
        return to_image, to_probabilities, None


def _programs(image: Tensor) -> tuple[int, int]:
    """One for each row and block of columns."""
    return len(image) * image.shape[2], blocks(image.shape[3], _BLOCK)


def _sizes(image: Tensor) -> tuple[int, int, int]:
    return image.shape[1], image.shape[2], image.shape[3]


def _columns(shifts: Sequence[float], image: Tensor) -> tuple[Tensor, Tensor]:
    """Whole offsets, limited to the width of the image since what lies beyond is its edge, and fractions."""
    width = image.shape[-1]
    offsets, fractions = zip(*(split(min(max(shift, -width), width)) for shift in shifts), strict=True)
    return torch.tensor(offsets, device=image.device), torch.tensor(fractions, dtype=image.dtype, device=image.device)


@triton.jit
def _shifted(row, x, offset, fraction, width, inside):
    """Content that a shift moves to columns `x` of a row."""
    before = tl.load(row + tl.minimum(tl.maximum(x + offset, 0), width - 1), mask=inside, other=0)
    after = tl.load(row + tl.minimum(tl.maximum(x + offset + 1, 0), width - 1), mask=inside, other=0)
    return before + (after - before) * fraction


@triton.jit
def _select(image, probabilities, offsets, fractions, channels, height, width, result,
            SHIFTS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    b, y = tl.program_id(0) // height, tl.program_id(0) % height
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = x < width
    for c in range(channels):
        row = ((b * channels + c) * height + y) * width
        total = tl.zeros([BLOCK], image.dtype.element_ty)
        for d in range(SHIFTS):
            weight = tl.load(probabilities + ((b * SHIFTS + d) * height + y) * width + x, mask=inside, other=0)
            content = _shifted(image + row, x, tl.load(offsets + d), tl.load(fractions + d), width, inside)
            total += weight * content
        tl.store(result + row + x, total, mask=inside)


@triton.jit
def _correlate(image, grad, offsets, fractions, channels, height, width, to_probabilities,
               SHIFTS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    b, y = tl.program_id(0) // height, tl.program_id(0) % height
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = x < width
    for d in range(SHIFTS):
        offset, fraction = tl.load(offsets + d), tl.load(fractions + d)
        total = tl.zeros([BLOCK], image.dtype.element_ty)
        for c in range(channels):
            row = ((b * channels + c) * height + y) * width
            upstream = tl.load(grad + row + x, mask=inside, other=0)
            total += upstream * _shifted(image + row, x, offset, fraction, width, inside)
        tl.store(to_probabilities + ((b * SHIFTS + d) * height + y) * width + x, total, mask=inside)


@triton.jit
def _spread(grad, probabilities, offsets, fractions, channels, height, width, to_image,
            SHIFTS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    b, y = tl.program_id(0) // height, tl.program_id(0) % height
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = x < width
    for d in range(SHIFTS):
        offset, fraction = tl.load(offsets + d), tl.load(fractions + d)
        weight = tl.load(probabilities + ((b * SHIFTS + d) * height + y) * width + x, mask=inside, other=0)
        before = tl.minimum(tl.maximum(x + offset, 0), width - 1)
        after = tl.minimum(tl.maximum(x + offset + 1, 0), width - 1)
        for c in range(channels):
            row = ((b * channels + c) * height + y) * width
            weighted = weight * tl.load(grad + row + x, mask=inside, other=0)
            tl.atomic_add(to_image + row + before, weighted * (1 - fraction), mask=inside)
            tl.atomic_add(to_image + row + after, weighted * fraction, mask=inside)

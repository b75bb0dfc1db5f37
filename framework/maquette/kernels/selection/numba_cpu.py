"""The selection layer for CPUs: the autograd function around the compiled loops of `numba_loops.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.numba_support import launch
from maquette.kernels.selection import numba_loops as loops
from maquette.kernels.selection.reference import resized, split


def select(
    image: Float[Tensor, "b c H W"], probabilities: Float[Tensor, "b d h w"], shifts: Sequence[float]
) -> Float[Tensor, "b c H W"]:
    """As the public function; where no gradient is asked for, probabilities are interpolated a row at a time."""
    if torch.is_grad_enabled() and (image.requires_grad or probabilities.requires_grad):
        probabilities = resized(probabilities, image)
    selected: Tensor = _Select.apply(image, probabilities, tuple(shifts))
    return selected


class _Select(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, probabilities: Tensor, shifts: tuple[float, ...]) -> Tensor:
        ctx.save_for_backward(image, probabilities)
        ctx.shifts = shifts
        result = torch.empty_like(image, memory_format=torch.contiguous_format)
        launch(loops.select, image, probabilities, *_columns(shifts, image), result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        image, probabilities = ctx.saved_tensors
        columns = _columns(ctx.shifts, image)
        to_image = to_probabilities = None
        if ctx.needs_input_grad[0]:
            to_image = torch.empty_like(image, memory_format=torch.contiguous_format)
            launch(loops.spread, grad, probabilities, *columns, to_image)
        if ctx.needs_input_grad[1]:
            to_probabilities = torch.empty_like(probabilities, memory_format=torch.contiguous_format)
            launch(loops.correlate, image, grad, *columns, to_probabilities)
        return to_image, to_probabilities, None


def _columns(shifts: Sequence[float], image: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Whole offsets, limited to the width of the image since what lies beyond is its edge, and fractions."""
    width, kind = image.shape[-1], np.float32 if image.dtype == torch.float32 else np.float64
    offsets, fractions = zip(*(split(min(max(shift, -width), width)) for shift in shifts), strict=True)
    return np.array(offsets, np.int64), np.array(fractions, kind)

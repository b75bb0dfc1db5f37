"""The selection layer in plain torch: the definition that the other backends are tested against, on any device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def select(
    image: Float[Tensor, "b c H W"], probabilities: Float[Tensor, "b d h w"], shifts: Sequence[float]
) -> Float[Tensor, "b c H W"]:
    """As the public function; autograd gives all derivatives."""
    weights, columns = resized(probabilities, image), torch.arange(image.shape[-1], device=image.device)
    total = torch.zeros_like(image)
    for channel, shift in enumerate(shifts):
        offset, fraction = split(shift)
        before, after = (image[..., (columns + offset + i).clamp(0, len(columns) - 1)] for i in (0, 1))
        total = total + weights[:, channel : channel + 1] * torch.lerp(before, after, fraction)
    return total


def resized(probabilities: Float[Tensor, "b d h w"], image: Float[Tensor, "b c H W"]) -> Float[Tensor, "b d H W"]:
    """Probabilities interpolated to the size of an image."""
    size = image.shape[-2:]
    if probabilities.shape[-2:] == size:
        return probabilities
    return functional.interpolate(probabilities, size, mode="bilinear", align_corners=False)


def split(shift: float) -> tuple[int, float]:
    """Whole columns from a pixel to the content that a shift moves there, rounded down, and the fraction beyond.

    Example:
        >>> split(2.0), split(-0.25)
        ((-2, 0.0), (0, 0.25))
    """
    offset = math.floor(-shift)
    return offset, -shift - offset

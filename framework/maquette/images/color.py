"""Conversion between sRGB and linear light: the transfer function of IEC 61966-2-1."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def srgb_to_linear(srgb: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Linear light in [0, 1] of sRGB values in [0, 1].

    Example:
        >>> srgb_to_linear(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.2140, 1.0000])
    """
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """sRGB values in [0, 1] of linear light, clipped to [0, 1].

    Example:
        >>> linear_to_srgb(torch.tensor([0.0, 0.2140, 3.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    light = light.clamp(0, 1)
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)

"""Ranges of pixel values: floats in [0, 1], bytes as files hold them, and [-1, 1] as diffusion models take them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Values in [0, 1] of any shape, rounded to uint8; what lies outside is cut."""
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def to_pixels(rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 H W"]:
    """Pictures in [0, 1] -> what pixel-space models denoise, in [-1, 1]."""
    return rgb.permute(0, 3, 1, 2) * 2 - 1


def to_rgb(pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W 3"]:
    """The inverse of `to_pixels`, cut to [0, 1]."""
    return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)

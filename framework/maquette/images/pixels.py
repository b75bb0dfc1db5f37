"""Conversion of pixel ranges: floats in [0, 1], bytes of files, and [-1, 1] of diffusion models."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Round values in [0, 1] of any shape to uint8; values outside are clipped."""
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def to_pixels(rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 H W"]:
    """Pictures in [0, 1] -> inputs of pixel-space diffusion models in [-1, 1], channels first."""
    return rgb.permute(0, 3, 1, 2) * 2 - 1


def to_rgb(pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W 3"]:
    """The inverse of `to_pixels`, clipped to [0, 1]."""
    return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)

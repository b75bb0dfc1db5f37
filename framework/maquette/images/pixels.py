"""Floats in [0, 1] and the bytes that files hold."""

from __future__ import annotations

import numpy as np


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Values in [0, 1] of any shape, rounded to uint8; what lies outside is cut."""
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)

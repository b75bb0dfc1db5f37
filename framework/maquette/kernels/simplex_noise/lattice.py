"""What the backends share: the skewed lattice, its gradients, and the hash of a lattice point."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch

Integers = TypeVar("Integers", np.ndarray, torch.Tensor)

SKEW = (math.sqrt(3) - 1) / 2  # of the plane onto the lattice of squares
UNSKEW = (3 - math.sqrt(3)) / 6
AMPLITUDE = 99.204334582718712  # 1 / the largest value of a sum of three corners with unit gradients
DIRECTIONS = 32
GRADIENTS = np.stack(
    [
        np.cos(np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)),
        np.sin(np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)),
    ],
    axis=1,
)
MASK = 0xFFFFFFFF
FACTORS = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F)  # odd, of 32 bits: of i, j, the seed and the stream
MIXERS = (0x2C1B3C6D, 0x297A2D39)


def lattice_hash(i: Integers, j: Integers, seed: int, stream: int = 0) -> Integers:
    """32 mixed bits for each lattice point (i, j), as int64.

    Args:
        i, j: int64, of any sign.
        seed: non-negative.
        stream: other numbers for the same point.

    Example:
        >>> one = np.zeros(1, np.int64)
        >>> bool(lattice_hash(one, one, 0)[0] != lattice_hash(one, one + 1, 0)[0])
        True
    """
    start = (seed * FACTORS[2] + stream * FACTORS[3]) & MASK
    mixed = ((i * FACTORS[0]) & MASK) ^ ((j * FACTORS[1]) & MASK)
    mixed = mixed ^ start
    mixed = mixed ^ (mixed >> 15)
    mixed = (mixed * MIXERS[0]) & MASK
    mixed = mixed ^ (mixed >> 12)
    mixed = (mixed * MIXERS[1]) & MASK
    return mixed ^ (mixed >> 15)

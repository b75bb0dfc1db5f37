"""Simplex noise for CPUs: points in parallel."""

from __future__ import annotations

import math

import numba
import numpy as np
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.numba_support import helper, kernel, launch
from maquette.kernels.simplex_noise.lattice import AMPLITUDE, DIRECTIONS, FACTORS, GRADIENTS, MASK, MIXERS, SKEW, UNSKEW

_I, _J, _SEED, _STREAM = FACTORS
_FIRST, _SECOND = MIXERS
_BITS = np.int64(MASK)


def simplex_noise(
    points: Float[Tensor, "n 2"], seed: int, octaves: int, persistence: float, lacunarity: float
) -> Float[Tensor, " n"]:
    """As the public function."""
    values = points.new_empty(len(points))
    launch(_noise, points, seed, octaves, persistence, lacunarity, GRADIENTS, values)
    return values


@helper
def _hash(i, j, start):
    """As `lattice.lattice_hash`."""
    mixed = ((i * np.int64(_I)) & _BITS) ^ ((j * np.int64(_J)) & _BITS) ^ start
    mixed = mixed ^ (mixed >> 15)
    mixed = (mixed * np.int64(_FIRST)) & _BITS
    mixed = mixed ^ (mixed >> 12)
    mixed = (mixed * np.int64(_SECOND)) & _BITS
    return mixed ^ (mixed >> 15)


@helper
def _corner(x, y, i, j, start, gradients):
    reach = 0.5 - x * x - y * y
    if reach <= 0:
        return 0.0
    direction = _hash(i, j, start) % DIRECTIONS
    return reach * reach * reach * reach * (gradients[direction, 0] * x + gradients[direction, 1] * y)


@helper
def _octave(x, y, start, gradients):
    skew = (x + y) * SKEW
    base_x, base_y = math.floor(x + skew), math.floor(y + skew)
    unskew = (base_x + base_y) * UNSKEW
    dx, dy = x - (base_x - unskew), y - (base_y - unskew)
    i, j = np.int64(base_x), np.int64(base_y)
    step_x, step_y = (1, 0) if dx > dy else (0, 1)
    total = _corner(dx, dy, i, j, start, gradients)
    total += _corner(dx - step_x + UNSKEW, dy - step_y + UNSKEW, i + step_x, j + step_y, start, gradients)
    total += _corner(dx - 1 + 2 * UNSKEW, dy - 1 + 2 * UNSKEW, i + 1, j + 1, start, gradients)
    return AMPLITUDE * total


@kernel
def _noise(points, seed, octaves, persistence, lacunarity, gradients, values):
    for point in numba.prange(len(points)):
        total, weight, weights, frequency = 0.0, 1.0, 0.0, 1.0
        for octave in range(octaves):
            start = (np.int64(seed) * np.int64(_SEED) + np.int64(octave) * np.int64(_STREAM)) & _BITS
            total += weight * _octave(points[point, 0] * frequency, points[point, 1] * frequency, start, gradients)
            weights += weight
            weight *= persistence
            frequency *= lacunarity
        values[point] = total / weights

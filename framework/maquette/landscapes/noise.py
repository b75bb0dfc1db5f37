"""Noise maps over cells of the ground, and their values made uniform."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float

from maquette.kernels.simplex_noise import simplex_noise

_KNOWN_POINTS = 128**2  # of the sample that the distribution is known from
_OFFSET = 0.1  # cells, so that no position is a point of the lattice, where the noise is 0


def noise_at(
    positions: Float[np.ndarray, "n 2"], period: float, seed: int, octaves: int = 1
) -> Float[np.ndarray, " n"]:
    """Simplex noise in [-1, 1] at positions in cells; the first octave changes over about `period` cells."""
    points = torch.from_numpy(np.ascontiguousarray((positions + _OFFSET) / period))
    return simplex_noise(points, seed, octaves=octaves).numpy()


def noise_map(
    x: Float[np.ndarray, " nx"], y: Float[np.ndarray, " ny"], period: float, seed: int, octaves: int = 1
) -> Float[np.ndarray, "nx ny"]:
    """The same on the grid of all x and y."""
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return noise_at(grid, period, seed, octaves).reshape(len(x), len(y))


@lru_cache(maxsize=1)
def _sample() -> Float[np.ndarray, " n"]:
    """Sorted values of one octave at places too far apart to know of each other."""
    side = np.arange(int(_KNOWN_POINTS**0.5)) * 7.31
    return np.sort(noise_map(side, side, 1.0, seed=1).ravel())


def equalised(
    values: Float[np.ndarray, " *n"], sample: Float[np.ndarray, " m"] | None = None, alpha: float = 0.33
) -> Float[np.ndarray, " *n"]:
    """Values pushed towards a uniform distribution over [-1, 1]: alpha (2 F(v) - 1) + (1 - alpha) v.

    Args:
        values: of one octave.
        sample: sorted values that F is the distribution of; None means that of the noise itself, which needs no map.
        alpha: 1 for a wholly uniform distribution.
    """
    ordered = _sample() if sample is None else sample
    return alpha * (2 * np.interp(values, ordered, np.linspace(0, 1, len(ordered))) - 1) + (1 - alpha) * values

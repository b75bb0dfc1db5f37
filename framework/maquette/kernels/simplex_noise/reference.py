"""Simplex noise in plain torch: the definition that the numba backend is tested against, on any device."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.simplex_noise.lattice import AMPLITUDE, DIRECTIONS, GRADIENTS, SKEW, UNSKEW, lattice_hash


def simplex_noise(
    points: Float[Tensor, "n 2"], seed: int, octaves: int, persistence: float, lacunarity: float
) -> Float[Tensor, " n"]:
    """As the public function."""
    total, weight, weights = torch.zeros_like(points[:, 0]), 1.0, 0.0
    for octave in range(octaves):
        total = total + weight * _octave(points * lacunarity**octave, seed, octave)
        weight, weights = weight * persistence, weights + weight
    return total / weights


def _octave(points: Tensor, seed: int, octave: int) -> Tensor:
    skewed = points + points.sum(dim=-1, keepdim=True) * SKEW
    base = skewed.floor()
    offset = points - (base - base.sum(dim=-1, keepdim=True) * UNSKEW)
    lower = offset[:, 0] > offset[:, 1]  # the triangle below the diagonal, which steps along x first
    middle = torch.stack([lower, ~lower], dim=-1).to(points.dtype)
    total = torch.zeros_like(points[:, 0])
    for step in (torch.zeros_like(middle), middle, torch.ones_like(middle)):
        away = offset - step + step.sum(dim=-1, keepdim=True) * UNSKEW
        i, j = (base + step).long().unbind(-1)
        gradients = torch.from_numpy(GRADIENTS).to(points)
        direction = gradients[lattice_hash(i, j, seed, octave) % DIRECTIONS]
        reach = (0.5 - away[:, 0] * away[:, 0] - away[:, 1] * away[:, 1]).clamp(min=0.0)
        total = total + reach**4 * (direction * away).sum(dim=-1)
    return AMPLITUDE * total

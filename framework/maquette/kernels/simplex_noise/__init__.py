"""Simplex noise of the plane: a smooth random function of a position, the same wherever it is asked for."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.backends import implementation

_MOST_CELLS = 2**31  # a lattice coordinate is hashed as 32 bits


@torch.no_grad()
def simplex_noise(
    points: Float[Tensor, "n 2"],
    seed: int,
    *,
    octaves: int = 1,
    persistence: float = 0.5,
    lacunarity: float = 2.0,
    backend: str = "auto",
) -> Float[Tensor, " n"]:
    """Simplex noise with octaves, by position alone.

        n(x) = sum over k of persistence^k s_k(lacunarity^k x) / sum over k of persistence^k
        s_k(x) = 99.2 sum over the 3 corners c of x's triangle of max(1/2 - |x - c|^2, 0)^4 <g_k(c), x - c>

    with g_k(c) one of 32 unit vectors, by a hash of the corner, the seed and the octave. There is no table of
    permutations, hence no period: the plane has no end.

    Args:
        points: x, float64, so that places far from the origin are as exact as those near it. The distance over which
            the first octave changes is about 1.
        seed: another seed is another function.
        octaves: number of terms.
        persistence: weight of an octave beside the one before it.
        lacunarity: frequency of an octave beside the one before it.
        backend: "auto", "numba" or "reference".

    Returns:
        Values in [-1, 1], float64; most of them much nearer to 0. No gradients.

    Raises:
        ValueError: points are of another shape or dtype, or octaves is below 1.

    Source: Perlin 2001, "Noise hardware" (Real-Time Shading, SIGGRAPH course notes), ch. 2; Gustavson 2005, "Simplex
    noise demystified". The hash is ours.

    Example:
        >>> points = torch.tensor([[0.25, 0.5], [1e6 + 0.25, 0.5]], dtype=torch.float64)
        >>> simplex_noise(points, seed=3, octaves=4).abs().max() < 1
        tensor(True)
    """
    if points.ndim != 2 or points.shape[1] != 2 or points.dtype != torch.float64:
        raise ValueError(f"simplex_noise: points are float64 [n, 2], not {points.dtype} {list(points.shape)}")
    if octaves < 1:
        raise ValueError(f"simplex_noise: octaves is {octaves}; it is at least 1")
    module = implementation("simplex-noise", backend, points.device.type)
    return module.simplex_noise(points, seed % _MOST_CELLS, octaves, persistence, lacunarity)

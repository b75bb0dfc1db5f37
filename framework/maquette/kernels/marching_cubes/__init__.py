"""Surfaces of signed distances on a regular grid: marching cubes, differentiable in the distances."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32

__all__ = ["marching_cubes"]


@in_float32
def marching_cubes(
    distances: Float[Tensor, "X Y Z"],
    low: Sequence[float] = (0.0, 0.0, 0.0),
    cell: float = 1.0,
    *,
    backend: str = "auto",
) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """The zero level set of a function given at the points of a regular grid, as triangles.

    A vertex lies on each grid edge (a, a + e) whose ends differ in sign,

        x = low + cell (a + e s_a / (s_a - s_{a+e}))

    and each cube adds none to five triangles. The mesh is closed unless the level set leaves the grid; each of its
    edges has two triangles, and triangles turn counter-clockwise seen from where the distance is positive. Where the
    corners of a cube's face are inside and outside in turn, the inside ones are kept apart. Differentiable in the
    distances; which edges are cut has no gradient. With either backend the gradient has the same bits in every run.

    Args:
        distances: s, negative inside; float32 or float64. Exactly zero counts as outside.
        low: position of the first grid point.
        cell: distance of neighbouring grid points.
        backend: "auto", "numba" or "reference".

    Returns:
        Vertices, in the order of the grid points that their edges start from, and triangles [F, 3] int64 into them.
        Both may be empty.

    Raises:
        ValueError: the distances are no grid of floats of at least two points along each side.

    Source: Lorensen & Cline 1987; faces resolved as in Dürst 1988; as a differentiable layer, the crossings of DMTet
    (Shen et al. 2021, arXiv 2111.04276), eq. 2.

    Example:
        >>> import torch
        >>> axis = torch.linspace(-1, 1, 17)
        >>> distances = torch.cartesian_prod(axis, axis, axis).norm(dim=-1).reshape(17, 17, 17) - 0.5
        >>> vertices, triangles = marching_cubes(distances, low=(-1, -1, -1), cell=0.125)
        >>> bool((vertices.norm(dim=-1) - 0.5).abs().max() < 0.01)
        True
    """
    if distances.ndim != 3 or min(distances.shape) < 2 or not distances.is_floating_point():
        raise ValueError(
            "marching_cubes: distances are a grid [X, Y, Z] of floats with two points or more along each side, not "
            f"{list(distances.shape)} of {distances.dtype}"
        )
    module = implementation("marching-cubes", backend, distances.device.type)
    return module.marching_cubes(distances, tuple(low), cell)

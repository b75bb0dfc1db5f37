"""Surfaces of signed distances on a grid of cubes, with weights that let an optimiser shape the mesh: FlexiCubes."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from maquette.kernels.flexicubes import reference
from maquette.kernels.flexicubes.grid import CubeGrid, cube_grid
from maquette.kernels.flexicubes.surface import DualSurface
from maquette.kernels.precision import in_float32

__all__ = ["CubeGrid", "DualSurface", "cube_grid", "flexicubes"]


@in_float32
def flexicubes(
    positions: Float[Tensor, "corners 3"],
    distances: Float[Tensor, " corners"],
    grid: CubeGrid,
    *,
    alpha: Float[Tensor, "cubes 8"] | None = None,
    beta: Float[Tensor, "cubes 12"] | None = None,
    gamma: Float[Tensor, " cubes"] | None = None,
) -> DualSurface:
    """The zero level set of a function given at the corners of cubes, as quadrilaterals of dual marching cubes.

    The surface cuts a cube into up to four patches, each bounded by a loop through the cut edges. The cube puts a
    crossing on each of these edges, between the ends a and b,

        u_e = (x_a alpha_b s_b - x_b alpha_a s_a) / (alpha_b s_b - alpha_a s_a)

    and a dual vertex into each patch,

        v_d = sum_e beta_e u_e / sum_e beta_e,  e over the edges of the patch.

    Around each cut edge inside the grid, the dual vertices of its four cubes make a quadrilateral. The mesh is closed
    and manifold, unless the level set leaves the grid. `DualSurface` splits the quadrilaterals into triangles, with
    gamma, and holds for each vertex the terms of L_dev, the mean absolute deviation of |v_d - u_e|, where u_e is the
    crossing without alpha: the weights cannot hide an unevenness from it.

    Differentiable in positions, distances, alpha and beta, and through the split in gamma; which edges are cut has no
    gradient.

    Args:
        positions: x, the corners, where the grid has them or moved; float32 or float64.
        distances: s, negative inside; of the same dtype. A distance of exactly zero counts as outside.
        grid: the cubes, on the same device as the positions.
        alpha: weights of each cube's corners, positive, in the order of `grid.CORNERS`. None: ones.
        beta: weights of each cube's edges, positive, in the order of `grid.EDGES`. None: ones.
        gamma: weight of each cube when a quadrilateral is split, positive. None: ones.
            Without the three, this is dual marching cubes with vertices at the patches' centroids.

    Returns:
        Dual vertices, cube by cube, quadrilaterals that turn counter-clockwise seen from where the distance is
        positive, and per vertex gamma and the deviation. All may be empty.

    Raises:
        ValueError: a shape, dtype or device does not fit the grid.

    Source: Shen et al. 2023 (FlexiCubes, arXiv 2308.05371), sections 4.2 and 4.3; L_dev: eq. 8, with the crossings of
    the authors' release. Patches: Nielson 2004, "Dual marching cubes"; kept manifold as in Wenger 2013, "Isosurfaces".

    Example:
        >>> grid = cube_grid(16)
        >>> surface = flexicubes(grid.positions, grid.positions.norm(dim=-1) - 0.5, grid)
        >>> bool((surface.vertices.norm(dim=-1) - 0.5).abs().max() < 0.02)
        True
        >>> vertices, triangles = surface.with_diagonals()
        >>> len(vertices) - len(triangles) // 2  # Euler characteristic of a closed mesh: V - E + F, with E = 3 F / 2
        2
    """
    corners, one = grid.positions.shape[0], positions.new_ones(1)
    alpha = one.expand(grid.cubes, 8) if alpha is None else alpha
    beta = one.expand(grid.cubes, 12) if beta is None else beta
    gamma = one.expand(grid.cubes) if gamma is None else gamma
    expected = {
        "positions": (positions, (corners, 3)),
        "distances": (distances, (corners,)),
        "alpha": (alpha, (grid.cubes, 8)),
        "beta": (beta, (grid.cubes, 12)),
        "gamma": (gamma, (grid.cubes,)),
    }
    for name, (value, shape) in expected.items():
        if value.shape != shape:
            raise ValueError(
                f"flexicubes: a grid of {corners} corners and {grid.cubes} cubes needs {name} {list(shape)}, "
                f"not {list(value.shape)}"
            )
        if value.dtype != positions.dtype or not value.is_floating_point():
            raise ValueError(
                f"flexicubes: all arguments are floats of one dtype; positions are {positions.dtype} and {name} "
                f"{value.dtype}"
            )
        if value.device != grid.positions.device:
            raise ValueError(f"flexicubes: {name} is on {value.device} and the grid on {grid.positions.device}")
    return reference.flexicubes(positions, distances, grid, alpha, beta, gamma)

"""Surfaces of signed distances on a tetrahedral grid: the grid, and marching tetrahedra."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.precision import in_float32
from maquette.kernels.tetrahedra.grid import TetrahedralGrid, grid_positions, tetrahedral_grid

__all__ = ["TetrahedralGrid", "grid_positions", "marching_tetrahedra", "tetrahedral_grid"]


@in_float32
def marching_tetrahedra(
    positions: Float[Tensor, "vertices 3"],
    distances: Float[Tensor, " vertices"],
    grid: TetrahedralGrid,
    *,
    backend: str = "auto",
) -> tuple[Float[Tensor, "surface_vertices 3"], Int[Tensor, "F 3"]]:
    """The zero level set of a function given at the corners of tetrahedra, as triangles.

    A surface vertex lies on each edge (a, b) whose ends differ in sign,

        x = (x_a s_b - x_b s_a) / (s_b - s_a)

    and each tetrahedron adds none, one or two triangles. The mesh is closed unless the level set leaves the grid, and
    triangles turn counter-clockwise seen from where the distance is positive. Differentiable in positions and
    distances; which edges are cut has no gradient.

    Args:
        positions: corners, where the grid has them or moved; float32 or float64.
        distances: s, negative inside; of the same dtype. A distance of exactly zero counts as outside.
        grid: the connectivity, on the same device as the positions.
        backend: "auto", "numba" or "reference".

    Returns:
        Vertices, in the order of the grid's edges, and triangles [F, 3] int64 into them. Both may be empty.

    Raises:
        ValueError: a shape, dtype or device does not fit the grid.

    Source: Doi & Koide 1991; as a differentiable layer: Shen et al. 2021 (DMTet, arXiv 2111.04276), eq. 2.

    Example:
        >>> grid = tetrahedral_grid(8)
        >>> vertices, triangles = marching_tetrahedra(grid.positions, grid.positions.norm(dim=-1) - 0.5, grid)
        >>> bool((vertices.norm(dim=-1) - 0.5).abs().max() < 0.02)
        True
    """
    corners = (grid.positions.shape[0],)
    if positions.shape != (*corners, 3) or distances.shape != corners:
        raise ValueError(
            f"marching_tetrahedra: a grid of {corners[0]} corners needs positions [{corners[0]}, 3] and distances "
            f"[{corners[0]}], not {list(positions.shape)} and {list(distances.shape)}"
        )
    if positions.dtype != distances.dtype or not positions.is_floating_point():
        raise ValueError(
            f"marching_tetrahedra: positions and distances are floats of one dtype, not {positions.dtype} and "
            f"{distances.dtype}"
        )
    if not positions.device == distances.device == grid.tetrahedra.device:
        raise ValueError(
            f"marching_tetrahedra: positions, distances and grid are on {positions.device}, {distances.device} and "
            f"{grid.tetrahedra.device}"
        )
    module = implementation("tetrahedra", backend, positions.device.type)
    return module.marching_tetrahedra(positions, distances, grid)

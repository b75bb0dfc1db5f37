"""Rays over a height field: through the columns of a map, the water that lies in it and the trees that stand on it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.backends import implementation
from maquette.kernels.height_field.hits import GROUND, SKY, TREE, WATER, HeightFieldHits
from maquette.kernels.precision import in_float32

__all__ = ["BITS", "GROUND", "SKY", "TREE", "WATER", "HeightFieldHits", "cast_rays"]

BITS = 62  # voxels of a column of trees


@torch.no_grad()
@in_float32
def cast_rays(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    ground: Float[Tensor, "x y"],
    tree_base: Int[Tensor, "x y"],
    tree_bits: Int[Tensor, "x y"],
    *,
    water: float = 0.0,
    reach: float = 1e6,
    backend: str = "auto",
) -> HeightFieldHits:
    """First meeting of rays o + t d, t >= 0, with ground, water or trees.

    The ground over the cell [i, i + 1] x [j, j + 1] is the bilinear patch through ground[i, j], ground[i + 1, j],
    ground[i, j + 1] and ground[i + 1, j + 1]. Along a ray the height over it is a quadratic of t, which is solved where
    the ray goes below the ground between the two borders of a cell. Water is the plane z = `water`, which goes on
    beyond the map: what meets nothing above it meets it there. Trees are voxels of unit side: bit k of tree_bits[i, j]
    is the one over the cell from z = tree_base[i, j] + k on.

    Args:
        origins: o, in cells; x and y are indices of the map. Rays that begin beside the map enter it first.
        directions: d, of any length; depths count in its units.
        ground: heights at whole x and y, at least 2 x 2; of the dtype of the rays.
        tree_base: int64.
        tree_bits: int64, bits 0 to 61; the last row and column are never met.
        water: height of the water; a ray that begins below it meets none.
        reach: depth at which rays end.
        backend: "auto", "numba", "triton" or "reference".

    Returns:
        Depth and kind of each meeting. A ray that begins below the ground meets it at once. There are no gradients.

    Raises:
        ValueError: a shape, dtype or device does not fit.

    Source: Amanatides and Woo 1987, "A fast voxel traversal algorithm", for the walk from cell to cell.

    Example:
        >>> flat, none = torch.zeros(8, 8), torch.zeros(8, 8, dtype=torch.int64)
        >>> o, d = torch.tensor([[1.0, 1.0, 2.0]]), torch.tensor([[1.0, 0.0, -1.0]])
        >>> cast_rays(o, d, flat + 1, none, none)
        HeightFieldHits(depth=tensor([1.]), kind=tensor([1], dtype=torch.uint8))
    """
    _check(origins, directions, ground, tree_base, tree_bits)
    module = implementation("height-field", backend, origins.device.type)
    return module.cast_rays(origins, directions, ground, tree_base, tree_bits, water, reach)


def _check(origins: Tensor, directions: Tensor, ground: Tensor, tree_base: Tensor, tree_bits: Tensor) -> None:
    for name, rays in (("origins", origins), ("directions", directions)):
        if tuple(rays.shape) != (len(origins), 3):
            raise ValueError(f"cast_rays: {name} are [{len(origins)}, 3], not {list(rays.shape)}")
    if ground.ndim != 2 or min(ground.shape) < 2:
        raise ValueError(f"cast_rays: ground is [x, y] with at least two cells each way, not {list(ground.shape)}")
    if not origins.dtype == directions.dtype == ground.dtype or ground.dtype not in (torch.float32, torch.float64):
        raise ValueError("cast_rays: origins, directions and ground are all float32 or all float64")
    for name, trees in (("tree_base", tree_base), ("tree_bits", tree_bits)):
        if trees.shape != ground.shape or trees.dtype != torch.int64:
            raise ValueError(f"cast_rays: {name} is int64 {list(ground.shape)}, not {trees.dtype} {list(trees.shape)}")
    if len({tensor.device for tensor in (origins, directions, ground, tree_base, tree_bits)}) > 1:
        raise ValueError("cast_rays: rays and maps are on different devices")

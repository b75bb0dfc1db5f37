"""The occupancy grid: pure functions that keep track of where a field is empty, so that marching can skip it.

A grid is a tensor of densities [gx, gy, gz] over a box; it is the caller's state, and so are the random numbers. One
update picks cells, asks the field for the density at a random place of each, and merges the answers:

    points = cell_points(cells, resolution, aabb, uniform)
    density = merge_density(density, cells, field(points), decay=0.95)
    occupancy = binarise(density, threshold=0.01)

Source: Müller et al. 2022 (instant-NGP, arXiv 2201.05989), app. E.2.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def cell_points(
    cells: Int[Tensor, " n"],
    resolution: tuple[int, int, int],
    aabb: Float[Tensor, "2 3"],
    uniform: Float[Tensor, "n 3"] | None = None,
) -> Float[Tensor, "n 3"]:
    """A position inside each of some cells.

    Args:
        cells: flat indices into a grid [gx, gy, gz], z fastest; 0 ... gx gy gz - 1.
        resolution: (gx, gy, gz).
        aabb: lower corner and upper corner of the grid's box.
        uniform: where in each cell, in [0, 1)^3, drawn by the caller; None means the centres.

    Returns:
        Positions in scene units.

    Example:
        >>> box = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
        >>> cell_points(torch.tensor([0, 7]), (2, 2, 2), box)
        tensor([[0.2500, 0.2500, 0.2500],
                [0.7500, 0.7500, 0.7500]])
    """
    _, ny, nz = resolution
    index = torch.stack([cells // (ny * nz), cells // nz % ny, cells % nz], dim=-1)
    place = index + (0.5 if uniform is None else uniform)
    size = torch.tensor(resolution, dtype=aabb.dtype, device=aabb.device)
    return aabb[0] + place.to(aabb.dtype) / size * (aabb[1] - aabb[0])


def merge_density(
    density: Float[Tensor, "gx gy gz"],
    cells: Int[Tensor, " n"],
    fresh: Float[Tensor, " n"],
    decay: float = 0.95,
) -> Float[Tensor, "gx gy gz"]:
    """Let all densities decay, then raise those of some cells to what was just measured there.

    new = max(decay * old, fresh) at the measured cells, decay * old elsewhere; where a cell was measured more than once
    the largest counts. One lucky miss hence does not empty a cell, and a cell that is never hit again fades.

    Args:
        density: the grid so far, >= 0.
        cells: flat indices of the measured cells, z fastest.
        fresh: densities measured there.
        decay: factor in [0, 1].

    Returns:
        A new grid; the old one is left as it was. No gradient flows.
    """
    decayed = (density.detach() * decay).flatten()
    merged = decayed.scatter_reduce(0, cells, fresh.detach().to(decayed.dtype), reduce="amax", include_self=True)
    return merged.reshape(density.shape)


def binarise(density: Float[Tensor, "*levels gx gy gz"], threshold: float) -> Bool[Tensor, "*levels gx gy gz"]:
    """Cells that hold something: density of at least min(threshold, mean density), and not zero.

    The mean lets a young field, thin everywhere, keep its denser half; with "at least" a uniform one keeps all of it.

    Args:
        density: the grid, >= 0.
        threshold: density from which on a cell always counts; 0.01 / step is a hundredth of opacity per sample.

    Returns:
        The occupancy that `march_rays` takes.
    """
    exact = density.double()  # the mean of equal float32 numbers is then that number
    return (exact >= exact.mean().clamp(max=threshold)) & (density > 0)

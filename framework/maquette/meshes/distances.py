"""Signed distances to a mesh, closed or not."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from maquette.meshes.closest_points import closest_points
from maquette.meshes.mesh import Mesh
from maquette.meshes.tree import TriangleTree
from maquette.meshes.winding import winding_numbers

EXACT_RESOLUTION = 33  # grid points along a side up to which all distances are computed exactly
COARSENING = 4  # step of the grid that distances far from the surface are interpolated from, in steps of the full grid


def mesh_to_sdf(mesh: Mesh, resolution: int, bound: float) -> tuple[Tensor, Tensor]:
    """Signed distances, negative inside, on a grid of `resolution` points along each side of the cube.

    Inside is where the generalised winding number exceeds 1/2 in size: it is 1 inside a closed mesh and 0 outside, and
    changes smoothly from one to the other across a hole, so that holes are spanned by a smooth sheet, whatever pieces
    the mesh is made of, and whichever way round all of it is wound. Distances are exact where the mesh is closed, and
    to a sheet exact to about half a step. On a grid of more than 33 points along a side, those farther from the surface
    than three steps may be interpolated between points four steps apart, which errs by a fraction of a step.

    Args:
        mesh: with faces; neither closed nor connected necessarily.
        resolution: grid points along each side of the cube.
        bound: half side of the cube, scene units.

    Returns:
        Coordinates along an axis [resolution], and distances [resolution, resolution, resolution] (x first), in scene
        units.

    Raises:
        ValueError: the mesh has no faces.

    Source: Jacobson et al. 2013, "Robust inside-outside segmentation using generalized winding numbers".
    """
    if mesh.is_empty:
        raise ValueError("a mesh without faces has no inside")
    signed = _to_triangles(TriangleTree(mesh.vertices, mesh.faces), resolution, bound)
    distance, inside = np.abs(signed), np.signbit(signed)
    distance = np.minimum(distance, _to_sheets(inside, distance, 2 * bound / (resolution - 1)))
    axis = torch.linspace(-bound, bound, resolution)
    return axis, torch.from_numpy(np.where(inside, -distance, distance)).float()


def trilinear(grid: Float[Tensor, "n n n"], positions: Float[Tensor, "m 3"]) -> Float[Tensor, " m"]:
    """Trilinear interpolation of a grid (x first) over the cube [-1, 1]^3 at `positions` in it.

    Example:
        >>> corners = torch.arange(8.0).reshape(2, 2, 2)
        >>> trilinear(corners, torch.tensor([[-1.0, -1, 1], [0, 0, 0]]))
        tensor([1.0000, 3.5000])
    """
    at = positions.flip(-1)[None, None, None]  # grid_sample counts the last axis first
    return torch.nn.functional.grid_sample(grid[None, None], at, align_corners=True)[0, 0, 0, 0]


def _to_triangles(tree: TriangleTree, resolution: int, bound: float) -> np.ndarray:
    """Distances to the triangles on a grid, with the sign bit set inside."""
    axis = torch.linspace(-bound, bound, resolution)
    points = torch.cartesian_prod(axis, axis, axis)
    if resolution <= EXACT_RESOLUTION:
        return _exact_distances(tree, points).reshape((resolution,) * 3)
    fewer = math.ceil((resolution - 1) / COARSENING) + 1
    coarse = _to_triangles(tree, fewer, bound)
    signed = trilinear(torch.from_numpy(coarse).float(), points / bound).double().numpy()
    cell = ((points / bound + 1) / 2 * (fewer - 1)).long().clamp(max=fewer - 2).numpy()
    near = _may_hold_surface(coarse, 2 * bound / (fewer - 1))[tuple(cell.T)]
    signed[near] = _exact_distances(tree, points[torch.from_numpy(near)])
    return signed.reshape((resolution,) * 3)


def _exact_distances(tree: TriangleTree, points: Float[Tensor, "n 3"]) -> np.ndarray:
    positions = points.double().numpy()
    distance = closest_points(tree, positions)[2]
    return np.where(np.abs(winding_numbers(tree, positions)) > 0.5, -distance, distance)


def _may_hold_surface(coarse: np.ndarray, step: float) -> np.ndarray:
    """Cells [n - 1, n - 1, n - 1] of a grid through which the surface or a sheet may run, or pass close by."""
    parts = [coarse[x : len(coarse) - 1 + x, y : len(coarse) - 1 + y, z : len(coarse) - 1 + z]
             for x in (0, 1) for y in (0, 1) for z in (0, 1)]  # fmt: skip
    corners = np.stack(parts)
    inside = np.signbit(corners).sum(0)
    return (np.abs(corners).min(0) < 3**0.5 * step) | ((inside > 0) & (inside < 8))


def _to_sheets(inside: np.ndarray, distance: np.ndarray, step: float) -> np.ndarray:
    """Distances to sheets across holes, where inside meets outside far from the mesh; infinite without such sheets."""
    border = np.zeros(inside.shape, bool)
    for dimension in range(3):
        changes = np.diff(inside, axis=dimension)
        for side in (0, 1):
            index = [slice(None)] * 3
            index[dimension] = slice(side, side + changes.shape[dimension])
            border[tuple(index)] |= changes
    sheet = border & (distance > 1.001 * step)  # a closed mesh is at most a step away from the border
    return distance_transform_edt(~sheet, sampling=step) + step / 2 if sheet.any() else np.full(inside.shape, np.inf)

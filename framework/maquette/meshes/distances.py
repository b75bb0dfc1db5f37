"""Signed distances from a mesh that need not be closed."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from maquette.export.mesh import Mesh
from maquette.meshes.closest import closest_points
from maquette.meshes.tree import TriangleTree
from maquette.meshes.winding import winding_numbers


def mesh_to_sdf(mesh: Mesh, resolution: int, bound: float) -> tuple[Tensor, Tensor]:
    """Signed distances, negative inside, on a grid of `resolution` points along each side of the cube.

    Inside is where the generalised winding number exceeds 1/2 in size: it is 1 inside a closed mesh and 0 outside, and
    changes smoothly from one to the other across a hole, so that holes are spanned by a smooth sheet, whatever pieces
    the mesh is made of, and whichever way round all of it is wound. Distances are exact where the mesh is closed, and
    to a sheet exact to about half a step.

    Args:
        mesh: with faces; neither closed nor connected necessarily.
        resolution: grid points along each side of the cube.
        bound: half side of the cube, scene units.

    Returns:
        The places along an axis [resolution], and distances [resolution, resolution, resolution] (x first), in scene
        units.

    Raises:
        ValueError: the mesh has no faces.

    Source: Jacobson et al. 2013, "Robust inside-outside segmentation using generalized winding numbers".
    """
    if mesh.is_empty:
        raise ValueError("a mesh without faces has no inside")
    axis = torch.linspace(-bound, bound, resolution)
    points = torch.cartesian_prod(axis, axis, axis).double().numpy()
    tree, shape = TriangleTree(mesh.vertices, mesh.faces), (resolution,) * 3
    inside = (np.abs(winding_numbers(tree, points)) > 0.5).reshape(shape)
    distance = closest_points(tree, points)[2].reshape(shape)
    distance = np.minimum(distance, _to_sheets(inside, distance, 2 * bound / (resolution - 1)))
    return axis, torch.from_numpy(np.where(inside, -distance, distance)).float()


def _to_sheets(inside: np.ndarray, distance: np.ndarray, step: float) -> np.ndarray:
    """Distances to where inside meets outside though the mesh is far from there; infinite if that is nowhere."""
    border = np.zeros(inside.shape, bool)
    for dimension in range(3):
        changes = np.diff(inside, axis=dimension)
        for side in (0, 1):
            index = [slice(None)] * 3
            index[dimension] = slice(side, side + changes.shape[dimension])
            border[tuple(index)] |= changes
    sheet = border & (distance > 1.001 * step)  # a closed mesh is at most a step away from the border
    return distance_transform_edt(~sheet, sampling=step) + step / 2 if sheet.any() else np.full(inside.shape, np.inf)

"""Generalised winding numbers of meshes."""

from __future__ import annotations

import numba
import numpy as np

from maquette.kernels.numba_support import helper, kernel, launch
from maquette.meshes.tree import LEAF_SIZE, STACK_SIZE, TriangleTree, reduce_up_tree

DIPOLE_RADII = 3.0  # a box at a distance of this many of its radii or more is approximated by a dipole


def winding_numbers(tree: TriangleTree, points: np.ndarray) -> np.ndarray:
    """Generalised winding numbers: the signed solid angle of all triangles at a point, divided by 4 pi.

    1 inside and 0 outside a closed mesh that is wound outward; across a hole it changes smoothly from one to the other.
    Distant boxes of triangles are approximated by a dipole, with errors of thousandths, at worst hundredths.

    Args:
        tree: of the mesh.
        points: [n, 3].

    Returns:
        [n].

    Source: Jacobson et al. 2013, "Robust inside-outside segmentation using generalized winding numbers", eq. 5, 6; the
    dipoles, Barill et al. 2018, "Fast winding numbers for soups and clouds", first order.

    Example:
        >>> corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        >>> tree = TriangleTree(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
        >>> winding_numbers(tree, np.array([[0.1, 0.1, 0.1], [0.3, 0.3, 0.5]])).round(3).tolist()
        [1.0, 0.0]
    """
    edges = tree.triangles[:, 1:] - tree.triangles[:, :1]
    vectors = np.cross(edges[:, 0], edges[:, 1]) / 2
    areas = np.linalg.norm(vectors, axis=1, keepdims=True)
    moments = np.concatenate([vectors, areas, areas * tree.triangles.mean(1)], axis=1)
    sums = reduce_up_tree(moments.reshape(tree.leaves, LEAF_SIZE, -1).sum(1), np.add)
    middle = (tree.low + tree.high) / 2
    centre = np.where(sums[:, 3:4] > 0, sums[:, 4:] / np.maximum(sums[:, 3:4], 1e-300), middle)
    reach = np.linalg.norm(np.maximum(centre - tree.low, tree.high - centre), axis=1)
    points = np.ascontiguousarray(points, np.float64)
    total = np.zeros(len(points))
    launch(_solid_angles, points, tree.triangles, np.ascontiguousarray(sums[:, :3]), centre, reach, total)
    return total / (4 * np.pi)


@kernel
def _solid_angles(
    points: np.ndarray,
    triangles: np.ndarray,
    vectors: np.ndarray,
    centre: np.ndarray,
    reach: np.ndarray,
    total: np.ndarray,
) -> None:  # pragma: no cover - compiled
    first_leaf = len(centre) // 2
    for i in numba.prange(len(points)):
        stack = np.zeros(STACK_SIZE, np.int64)
        count, angle = 1, 0.0
        while count:
            count -= 1
            box = stack[count]
            squared, along = 0.0, 0.0
            for axis in range(3):
                away = centre[box, axis] - points[i, axis]
                squared += away * away
                along += away * vectors[box, axis]
            if squared > (DIPOLE_RADII * reach[box]) ** 2:
                angle += along / (squared * np.sqrt(squared))
            elif box >= first_leaf:
                for k in range((box - first_leaf) * LEAF_SIZE, (box - first_leaf + 1) * LEAF_SIZE):
                    angle += _solid_angle(points[i], triangles[k])
            else:
                stack[count], stack[count + 1] = 2 * box + 1, 2 * box + 2
                count += 2
        total[i] = angle


@helper
def _solid_angle(point: np.ndarray, corners: np.ndarray) -> float:  # pragma: no cover - compiled
    """Solid angle of a triangle at a point, positive from behind (van Oosterom and Strackee 1983)."""
    ax, ay, az = corners[0, 0] - point[0], corners[0, 1] - point[1], corners[0, 2] - point[2]
    bx, by, bz = corners[1, 0] - point[0], corners[1, 1] - point[1], corners[1, 2] - point[2]
    cx, cy, cz = corners[2, 0] - point[0], corners[2, 1] - point[1], corners[2, 2] - point[2]
    a, b, c = (
        np.sqrt(ax * ax + ay * ay + az * az),
        np.sqrt(bx * bx + by * by + bz * bz),
        np.sqrt(cx * cx + cy * cy + cz * cz),
    )
    determinant = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    ab, bc, ca = ax * bx + ay * by + az * bz, bx * cx + by * cy + bz * cz, cx * ax + cy * ay + cz * az
    return 2 * np.arctan2(determinant, a * b * c + ab * c + bc * a + ca * b)

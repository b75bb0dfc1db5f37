"""Closest points on a mesh."""

from __future__ import annotations

import numba
import numpy as np

from maquette.kernels.numba_support import helper, kernel, launch
from maquette.meshes.tree import LEAF_SIZE, STACK_SIZE, TriangleTree


def closest_points(tree: TriangleTree, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the point of a mesh that is closest to each of n points.

    Args:
        tree: of the mesh.
        points: [n, 3].

    Returns:
        Its face [n], its barycentric weights [n, 3] in [0, 1], and the distance [n].

    Source: closest points of a triangle, Ericson 2005, "Real-time collision detection", sec. 5.1.5.

    Example:
        >>> corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
        >>> square = TriangleTree(corners, np.array([[0, 1, 2], [0, 2, 3]]))
        >>> face, weights, distance = closest_points(square, np.array([[0.75, 0.25, 2.0]]))
        >>> face.tolist(), weights.tolist(), distance.tolist()
        ([0], [[0.25, 0.5, 0.25]], [2.0])
    """
    points = np.ascontiguousarray(points, np.float64)
    place, weights, distance = np.zeros(len(points), np.int64), np.zeros((len(points), 3)), np.zeros(len(points))
    launch(_closest_triangles, points, tree.triangles, tree.low, tree.high, place, weights, distance)
    return tree.face[place], weights, distance


@kernel
def _closest_triangles(
    points: np.ndarray,
    triangles: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    triangle: np.ndarray,
    weights: np.ndarray,
    distance: np.ndarray,
) -> None:  # pragma: no cover - compiled
    first_leaf = len(low) // 2
    for i in numba.prange(len(points)):
        point, best = points[i], np.inf
        stack, stack_distance = np.zeros(STACK_SIZE, np.int64), np.zeros(STACK_SIZE)
        count = 1
        while count:
            count -= 1
            box = stack[count]
            if stack_distance[count] >= best:
                continue
            if box >= first_leaf:
                for k in range((box - first_leaf) * LEAF_SIZE, (box - first_leaf + 1) * LEAF_SIZE):
                    u, v, w, squared = _closest_on_triangle(point, triangles[k])
                    if squared < best:
                        best, triangle[i] = squared, k
                        weights[i, 0], weights[i, 1], weights[i, 2] = u, v, w
                continue
            left, right = (
                _squared_distance_to_box(point, low, high, 2 * box + 1),
                _squared_distance_to_box(point, low, high, 2 * box + 2),
            )
            near = 1 if left <= right else 2
            stack[count], stack_distance[count] = 2 * box + 3 - near, max(left, right)
            stack[count + 1], stack_distance[count + 1] = 2 * box + near, min(left, right)
            count += 2
        distance[i] = np.sqrt(best)


@helper
def _squared_distance_to_box(
    point: np.ndarray, low: np.ndarray, high: np.ndarray, box: int
) -> float:  # pragma: no cover - compiled
    """Squared distance from the point to the box; 0 inside."""
    total = 0.0
    for axis in range(3):
        outside = max(low[box, axis] - point[axis], 0.0, point[axis] - high[box, axis])
        total += outside * outside
    return total


@helper
def _closest_on_triangle(
    point: np.ndarray, corners: np.ndarray
) -> tuple[float, float, float, float]:  # pragma: no cover - compiled
    """Barycentric weights of the closest point, and the squared distance to it."""
    ab_ab, ab_ac, ac_ac, d1, d2 = 0.0, 0.0, 0.0, 0.0, 0.0
    for axis in range(3):
        ab, ac = corners[1, axis] - corners[0, axis], corners[2, axis] - corners[0, axis]
        ap = point[axis] - corners[0, axis]
        ab_ab, ab_ac, ac_ac = ab_ab + ab * ab, ab_ac + ab * ac, ac_ac + ac * ac
        d1, d2 = d1 + ab * ap, d2 + ac * ap
    d3, d4, d5, d6 = d1 - ab_ab, d2 - ab_ac, d1 - ab_ac, d2 - ac_ac
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        v, w = 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0 and d5 <= d6:
        v, w = 0.0, 1.0
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        v, w = d1 / (d1 - d3), 0.0
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        v, w = 0.0, d2 / (d2 - d6)
    elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        v = 1 - w
    else:
        total = va + vb + vc
        v, w = vb / total, vc / total
    u, squared = 1 - v - w, 0.0
    for axis in range(3):
        difference = point[axis] - u * corners[0, axis] - v * corners[1, axis] - w * corners[2, axis]
        squared += difference * difference
    return u, v, w, squared

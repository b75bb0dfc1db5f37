"""Faces of a mesh that pass through others of its faces."""

from __future__ import annotations

import numba
import numpy as np

from maquette.kernels.numba_support import helper, kernel, launch
from maquette.meshes.health import welded
from maquette.meshes.mesh import Mesh
from maquette.meshes.tree import LEAF_SIZE, STACK_SIZE, TriangleTree


def intersecting_faces(mesh: Mesh) -> np.ndarray:
    """Which faces pass through another one: an edge of either crosses the inside of the other.

    Faces that share a position do not count, nor do those that only touch, or lie in one plane. Equal positions are
    one vertex, and faces without area are left out.

    Args:
        mesh: of any kind.

    Returns:
        For each face with an area whether it does [F] bool.

    Source: segments and triangles, Moeller and Trumbore 1997, "Fast, minimum storage ray/triangle intersection".

    Example:
        >>> corners = [[0, 0, 0], [2, 0, 0], [0, 2, 0], [0.5, 0.5, -1], [0.6, 0.5, 1], [0.5, 0.6, 1]]
        >>> intersecting_faces(Mesh(corners, [[0, 1, 2], [3, 4, 5]])).tolist()
        [True, True]
    """
    body = welded(mesh)
    if len(body.faces) < 2:
        return np.zeros(len(body.faces), bool)
    tree = TriangleTree(body.vertices, body.faces)
    crossed = np.zeros(len(tree.face), np.uint8)
    real = np.arange(len(tree.face)) < len(body.faces)  # the others pad the last leaves
    corners = np.ascontiguousarray(body.faces[tree.face])
    launch(_find_crossed, tree.triangles, corners, tree.low, tree.high, real.astype(np.uint8), crossed)
    result = np.zeros(len(body.faces), bool)
    result[tree.face[real]] = crossed[real] > 0
    return result


@kernel
def _find_crossed(
    triangles: np.ndarray, corners: np.ndarray, low: np.ndarray, high: np.ndarray, real: np.ndarray,
    crossed: np.ndarray,
) -> None:  # fmt: skip # pragma: no cover - compiled
    first_leaf = len(low) // 2
    for i in numba.prange(len(triangles)):
        if real[i] == 0:
            continue
        stack = np.zeros(STACK_SIZE, np.int64)
        count = 1
        while count and not crossed[i]:
            count -= 1
            box = stack[count]
            apart = False
            for axis in range(3):
                least = min(triangles[i, 0, axis], triangles[i, 1, axis], triangles[i, 2, axis])
                most = max(triangles[i, 0, axis], triangles[i, 1, axis], triangles[i, 2, axis])
                apart = apart or most < low[box, axis] or least > high[box, axis]
            if apart:
                continue
            if box < first_leaf:
                stack[count], stack[count + 1] = 2 * box + 1, 2 * box + 2
                count += 2
                continue
            for k in range((box - first_leaf) * LEAF_SIZE, (box - first_leaf + 1) * LEAF_SIZE):
                if real[k] and _separate(corners[i], corners[k]) and _cross(triangles[i], triangles[k]):
                    crossed[i] = 1
                    break


@helper
def _separate(one: np.ndarray, other: np.ndarray) -> bool:  # pragma: no cover - compiled
    """Whether two faces share no vertex."""
    for a in range(3):
        for b in range(3):
            if one[a] == other[b]:
                return False
    return True


@helper
def _cross(one: np.ndarray, other: np.ndarray) -> bool:  # pragma: no cover - compiled
    """Whether an edge of either triangle crosses the inside of the other."""
    for k in range(3):
        if _pierces(one[k], one[(k + 1) % 3], other) or _pierces(other[k], other[(k + 1) % 3], one):
            return True
    return False


@helper
def _pierces(start: np.ndarray, end: np.ndarray, corners: np.ndarray) -> bool:  # pragma: no cover - compiled
    """Whether a segment crosses the inside of a triangle."""
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    ax, ay, az = corners[1, 0] - corners[0, 0], corners[1, 1] - corners[0, 1], corners[1, 2] - corners[0, 2]
    bx, by, bz = corners[2, 0] - corners[0, 0], corners[2, 1] - corners[0, 1], corners[2, 2] - corners[0, 2]
    sx, sy, sz = start[0] - corners[0, 0], start[1] - corners[0, 1], start[2] - corners[0, 2]
    px, py, pz = dy * bz - dz * by, dz * bx - dx * bz, dx * by - dy * bx
    determinant = ax * px + ay * py + az * pz
    if determinant == 0:
        return False
    u = (sx * px + sy * py + sz * pz) / determinant
    qx, qy, qz = sy * az - sz * ay, sz * ax - sx * az, sx * ay - sy * ax
    v = (dx * qx + dy * qy + dz * qz) / determinant
    t = (bx * qx + by * qy + bz * qz) / determinant
    return u > 0 and v > 0 and u + v < 1 and 0 < t < 1

"""A tree of boxes around the triangles of a mesh, for searches that need not look at all of them."""

from __future__ import annotations

import numpy as np

LEAF = 4  # triangles in a leaf
DEPTH = 64  # more than boxes ever wait to be looked at: one for each level of the tree


class TriangleTree:
    """Triangles along a curve that fills space, four to a leaf, and above them a complete binary tree of boxes.

    Box i has the children 2 i + 1 and 2 i + 2; the last `leaves` boxes are the leaves, in the order of the triangles.

    Args:
        vertices: [V, 3].
        faces: [F, 3], one at least.

    Attributes:
        leaves: their number, a power of two.
        triangles: corners [4 leaves, 3, 3]; past the mesh's own, triangles without area.
        face: the face that each triangle is [4 leaves].
        low, high: corners of the boxes [2 leaves - 1, 3].

    Source: Lauterbach et al. 2009, "Fast BVH construction on GPUs".
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        triangles = np.asarray(vertices, np.float64)[np.asarray(faces)]
        order = np.argsort(_morton(triangles.mean(1)), kind="stable")
        self.leaves = 1 << max(0, int(np.ceil(np.log2(len(order) / LEAF))))
        missing = self.leaves * LEAF - len(order)
        self.face = np.concatenate([order, np.full(missing, order[-1])])
        self.triangles = triangles[self.face]
        self.triangles[len(order) :] = triangles[order[-1], 0]
        parts = self.triangles.reshape(self.leaves, 3 * LEAF, 3)
        self.low, self.high = up_the_tree(parts.min(1), np.minimum), up_the_tree(parts.max(1), np.maximum)


def up_the_tree(of_leaves: np.ndarray, join: np.ufunc) -> np.ndarray:
    """Rows [2 n - 1, ...] of all boxes from those of the n leaves, each parent's joined from its two children's.

    Example:
        >>> up_the_tree(np.array([1, 2, 3, 4]), np.add).tolist()
        [10, 3, 7, 1, 2, 3, 4]
    """
    levels = [of_leaves]
    while len(levels[0]) > 1:
        levels.insert(0, join(levels[0][::2], levels[0][1::2]))
    return np.concatenate(levels)


def _morton(points: np.ndarray) -> np.ndarray:
    """Places [n] of points [n, 3] along a curve that fills their box: the bits of their coordinates, in turns."""
    low, extent = points.min(0), np.ptp(points, axis=0)
    cells = ((points - low) / np.where(extent > 0, extent, 1) * (2**20)).astype(np.int64)
    code = np.zeros(len(points), np.int64)
    for bit in range(21):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code

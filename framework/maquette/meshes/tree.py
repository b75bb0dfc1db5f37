"""A bounding volume hierarchy over the triangles of a mesh."""

from __future__ import annotations

import numpy as np

LEAF_SIZE = 4  # triangles in a leaf
STACK_SIZE = 64  # of tree traversals, which hold at most one box per level of the tree


class TriangleTree:
    """Triangles in Morton order, four to a leaf, under a complete binary tree of bounding boxes.

    Box i has the children 2 i + 1 and 2 i + 2; the last `leaves` boxes are the leaves, in the order of the triangles.

    Args:
        vertices: [V, 3].
        faces: [F, 3], at least one.

    Attributes:
        leaves: number of leaves, a power of two.
        triangles: corners [4 leaves, 3, 3], padded by triangles without area.
        face: the mesh's face of each triangle [4 leaves].
        low, high: corners of the boxes [2 leaves - 1, 3].

    Source: Lauterbach et al. 2009, "Fast BVH construction on GPUs".
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        triangles = np.asarray(vertices, np.float64)[np.asarray(faces)]
        order = np.argsort(_morton(triangles.mean(1)), kind="stable")
        self.leaves = 1 << max(0, int(np.ceil(np.log2(len(order) / LEAF_SIZE))))
        missing = self.leaves * LEAF_SIZE - len(order)
        self.face = np.concatenate([order, np.full(missing, order[-1])])
        self.triangles = triangles[self.face]
        self.triangles[len(order) :] = triangles[order[-1], 0]
        parts = self.triangles.reshape(self.leaves, 3 * LEAF_SIZE, 3)
        self.low, self.high = reduce_up_tree(parts.min(1), np.minimum), reduce_up_tree(parts.max(1), np.maximum)


def reduce_up_tree(leaves: np.ndarray, reduce: np.ufunc) -> np.ndarray:
    """Rows [2 n - 1, ...] of all boxes from the rows of the n leaves: each parent reduces its two children.

    Example:
        >>> reduce_up_tree(np.array([1, 2, 3, 4]), np.add).tolist()
        [10, 3, 7, 1, 2, 3, 4]
    """
    levels = [leaves]
    while len(levels[0]) > 1:
        levels.insert(0, reduce(levels[0][::2], levels[0][1::2]))
    return np.concatenate(levels)


def _morton(points: np.ndarray) -> np.ndarray:
    """Morton codes [n] of points [n, 3]: the interleaved bits of their coordinates."""
    low, extent = points.min(0), np.ptp(points, axis=0)
    cells = ((points - low) / np.where(extent > 0, extent, 1) * (2**20)).astype(np.int64)
    code = np.zeros(len(points), np.int64)
    for bit in range(21):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code

"""Distances from the points of a grid to where values on it change sign, in any number of dimensions."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt


def signed_distances(values: np.ndarray) -> np.ndarray:
    """Distances to the zero set of values on a grid, in cells, negative where the values are.

    A point with an edge across the zero set is v / |g| away from it, g the differences along its steepest such edge
    in each direction, and central ones in the others. Any other point is as far as the foot of the nearest such point,
    which errs by a fraction of a cell. The zero set stays where it is on planes, and about so elsewhere.

    Args:
        values: [n_1, ..., n_d]; zero counts as outside.

    Returns:
        float32 of the same shape; where no value changes sign, the sum of the sides, with the values' sign.

    Example:
        >>> signed_distances(np.array([3.0, 1.0, -1.0, -9.0])).tolist()
        [1.5, 0.5, -0.5, -1.5]
    """
    inside = values < 0
    near = np.zeros(values.shape, bool)
    for axis in range(values.ndim):
        cut = np.diff(inside, axis=axis)
        before, after = _ends(near, axis)
        before |= cut
        after |= cut
    if not near.any():
        return np.where(inside, -1, 1).astype(np.float32) * sum(values.shape)
    gradient = np.stack([_slopes(values, inside, near, axis) for axis in range(values.ndim)])
    feet = np.zeros((values.ndim, *values.shape), np.float32)
    feet[:, near] = np.nonzero(near) - values[near] * gradient / np.square(gradient).sum(0).clip(1e-12)
    nearest = distance_transform_edt(~near, return_distances=False, return_indices=True)
    squared = np.zeros(values.shape, np.float32)
    for axis, count in enumerate(values.shape):
        place = np.arange(count, dtype=np.float32).reshape(-1, *(1,) * (values.ndim - 1 - axis))
        squared += np.square(feet[(axis, *nearest)] - place)
    distance = np.sqrt(squared)
    return np.where(inside, -distance, distance)


def _ends(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Views of the first and the second ends of all edges along an axis."""
    front = np.moveaxis(array, axis, 0)
    return np.moveaxis(front[:-1], 0, axis), np.moveaxis(front[1:], 0, axis)


def _slopes(values: np.ndarray, inside: np.ndarray, near: np.ndarray, axis: int) -> np.ndarray:
    """Slope along an axis at the near points [n]: of the steepest edge across the zero set, else central."""
    first, second = _ends(values, axis)
    edge = (second - first).astype(np.float32)
    cut = np.where(np.diff(inside, axis=axis), edge, 0)
    ahead, behind, cut_ahead, cut_behind = (np.zeros(values.shape, np.float32) for _ in range(4))
    for whole, at_first in ((edge, (ahead, behind)), (cut, (cut_ahead, cut_behind))):
        _ends(at_first[0], axis)[0][...] = whole
        _ends(at_first[1], axis)[1][...] = whole
    a, b, cut_a, cut_b = ahead[near], behind[near], cut_ahead[near], cut_behind[near]
    steepest = np.where(np.abs(cut_a) > np.abs(cut_b), cut_a, cut_b)
    return np.where(steepest != 0, steepest, (a + b) / 2)

"""From signed distances on a grid to one closed body: crumbs dropped, cavities filled, pieces joined by tubes."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_erosion, generate_binary_structure, label
from scipy.spatial import cKDTree

EVERY_NEIGHBOUR = generate_binary_structure(3, 3)  # 26 of them; inside points are joined by 6, as marching cubes does
LEAST_DISTANCE = 0.1  # of points that change sides, cells


def solidify(distances: np.ndarray, min_piece: float = 0.004, tube: float = 1.3) -> np.ndarray:
    """Distances of one body without cavities, whose surface by marching cubes is closed and connected.

    Args:
        distances: signed distances in cells [X, Y, Z], negative inside, positive at the grid's border.
        min_piece: smallest piece to keep, as a fraction of the volume; the largest one is always kept.
        tube: radius of the tubes that join pieces across the shortest gap, cells.

    Returns:
        [X, Y, Z] float32; unchanged where nothing was inside.
    """
    values = np.asarray(distances, np.float32).copy()
    outside, count = label(values >= 0, EVERY_NEIGHBOUR)
    if count > 1:
        border = np.unique(
            np.concatenate([np.take(outside, end, axis).ravel() for axis in range(3) for end in (0, -1)])
        )
        cavity = (outside > 0) & ~np.isin(outside, border)
        values[cavity] = -values[cavity].clip(LEAST_DISTANCE)
    pieces, count = label(values < 0)
    if count > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        large = sizes >= min(min_piece * sizes.sum(), sizes.max())
        crumbs = (pieces > 0) & ~np.append(False, large)[pieces]
        values[crumbs] = np.abs(values[crumbs]).clip(LEAST_DISTANCE)
        for _ in range(int(large.sum()) - 1):
            _join_nearest(values, tube)
    return values


def _join_nearest(values: np.ndarray, tube: float) -> None:
    """Join the largest piece with the one nearest to it, in place."""
    pieces, count = label(values < 0)
    if count < 2:
        return
    shell = (values < 0) & ~binary_erosion(values < 0)
    points, labels = np.argwhere(shell), pieces[shell]
    largest = np.bincount(pieces.ravel())[1:].argmax() + 1
    own, others = points[labels == largest], points[labels != largest]
    distance, index = cKDTree(own).query(others)
    start, end = own[index[distance.argmin()]], others[distance.argmin()]
    reach = int(np.ceil(tube)) + 2
    low = np.maximum(np.minimum(start, end) - reach, 1)
    high = np.minimum(np.maximum(start, end) + reach + 1, np.array(values.shape) - 1)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    values[box] = np.minimum(values[box], _segment_distance(box, start, end) - tube)


def _segment_distance(box: tuple[slice, ...], start: np.ndarray, end: np.ndarray) -> np.ndarray:
    points = np.moveaxis(np.array(np.mgrid[box]), 0, -1) - start
    along = (end - start).astype(float)
    fraction = (points @ along / max(along @ along, 1e-9)).clip(0, 1)
    return np.linalg.norm(points - fraction[..., None] * along, axis=-1)

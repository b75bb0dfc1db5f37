"""Depth of a picture from its normals: a sparse least-squares problem in the logarithm of depth."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csc_array, diags_array
from scipy.sparse.linalg import spsolve

LEAST_COSINE = 0.1  # between normal and ray; slopes at grazing angles are limited to those of this cosine
JUMP = 0.01  # difference between a slope and its estimate above which two pixels count as apart, in log depth
ROUNDS = 4  # of reweighting
ANCHOR, BOUND_ANCHOR = 0.01, 0.3  # weights of the known depth: everywhere, and where depth comes nearer than it


def integrate_normals(normals: np.ndarray, rays: np.ndarray, mask: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Depth along the viewing axis whose surface has the normals.

    A surface point is Z r with the ray r = (x, y, -1), so that n . dP = 0 gives d log Z / dx = -n_x / (n . r), and
    likewise for y. These slopes hold between neighbouring pixels, except where they contradict the rest (jumps).

    Args:
        normals: in the camera's frame (x right, y up, z to the viewer) [H, W, 3].
        rays: r of each pixel [H, W, 3].
        mask: pixels of the object [H, W].
        nearest: depth that anchors the solution and that no point should come nearer than [H, W], scene units.

    Returns:
        Depth [H, W], scene units; `nearest` outside the mask.

    Source: log depth under perspective, Cao et al. 2022 (bilateral normal integration), section 3; the weights are the
    Cauchy ones of iteratively reweighted least squares.
    """
    index = np.full(mask.shape, -1)
    index[mask] = np.arange(mask.sum())
    cosine = np.minimum((normals * rays).sum(-1), -LEAST_COSINE * np.linalg.norm(rays, axis=-1))
    first, second, slope = [], [], []
    for axis, component in ((1, 0), (0, 1)):
        a, b = (np.take(index, range(start, index.shape[axis] - 1 + start), axis) for start in (0, 1))
        gradient = -normals[..., component] / cosine
        mean = sum(np.take(gradient, range(start, index.shape[axis] - 1 + start), axis) for start in (0, 1)) / 2
        step = np.diff(rays[..., component], axis=axis)
        both = (a >= 0) & (b >= 0)
        first.append(a[both])
        second.append(b[both])
        slope.append((mean * step)[both])
    pairs = np.concatenate(first), np.concatenate(second)
    return _solve(pairs, np.concatenate(slope), mask, nearest)


def _solve(
    pairs: tuple[np.ndarray, np.ndarray], slopes: np.ndarray, mask: np.ndarray, nearest: np.ndarray
) -> np.ndarray:
    """Least squares for log Z: differences of pairs are slopes, values are the anchor's."""
    count, edges = int(mask.sum()), np.arange(len(slopes))
    difference = coo_array(
        (np.repeat([-1.0, 1.0], len(slopes)), (np.tile(edges, 2), np.concatenate(pairs))), shape=(len(slopes), count)
    ).tocsr()
    anchor = np.log(nearest[mask])
    weights, anchor_weights = np.ones(len(slopes)), np.full(count, ANCHOR)
    log_depth = anchor
    for _ in range(ROUNDS):
        weighted = difference.T @ diags_array(weights)
        matrix = csc_array(weighted @ difference + diags_array(anchor_weights))
        log_depth = spsolve(matrix, weighted @ slopes + anchor_weights * anchor)
        weights = 1 / (1 + np.square((difference @ log_depth - slopes) / JUMP))
        anchor_weights = np.where(log_depth < anchor, BOUND_ANCHOR, ANCHOR)
    depth = nearest.copy()
    depth[mask] = np.exp(log_depth)
    return depth

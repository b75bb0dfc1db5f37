"""Polygons to triangles."""

from __future__ import annotations

import numpy as np

from maquette.kernels.numba_support import cached

MOST_TESTS = 5_000_000  # of corners against ears, in one face; a face that crosses itself may take their cube


def triangulate(indices: np.ndarray, lengths: np.ndarray, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut polygons into triangles: fans where a fan is right, ears where a polygon is not convex.

    Args:
        indices: vertices of the corners of all polygons, one after the other [n].
        lengths: corners of each polygon; those with fewer than three vanish.
        vertices: [V, 3].

    Returns:
        Places in `indices` of the triangles' corners [T, 3], and the polygon of each triangle [T].

    Example:
        >>> square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
        >>> corners, polygon = triangulate(np.array([0, 1, 2, 3]), np.array([4]), square)
        >>> corners.tolist(), polygon.tolist()
        ([[0, 1, 2], [0, 2, 3]], [0, 0])
    """
    starts = np.cumsum(lengths) - lengths
    corners, owners = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(lengths[lengths >= 3]):
        which = np.flatnonzero(lengths == size)
        fan = np.array([[0, i, i + 1] for i in range(1, size - 1)])
        rows = np.broadcast_to(fan, (len(which), *fan.shape)).copy()
        if size > 3:
            places = vertices[indices[starts[which][:, None] + np.arange(size)]]
            for row in np.flatnonzero(~_fans_fit(places)):
                rows[row] = _cut_ears(places[row])
        corners.append((starts[which][:, None, None] + rows).reshape(-1, 3))
        owners.append(np.repeat(which, size - 2))
    corner, owner = np.concatenate(corners), np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return corner[order], owner[order]


def strip_triangles(length: int) -> np.ndarray:
    """Corners [length - 2, 3] of a triangle strip, all wound like the first."""
    first = np.arange(max(length - 2, 0))
    odd = first % 2
    return np.stack([first, first + 1 + odd, first + 2 - odd], axis=1)


def fan_triangles(length: int) -> np.ndarray:
    """Corners [length - 2, 3] of a triangle fan."""
    first = np.arange(1, max(length - 1, 1))
    return np.stack([np.zeros_like(first), first, first + 1], axis=1)


def _fans_fit(places: np.ndarray) -> np.ndarray:
    """Whether the fan about the first corner has no triangle that is wound against the polygon [n, k, 3] -> [n]."""
    normal = _normals(places)
    edges = places[:, 1:] - places[:, :1]
    crosses = np.cross(edges[:, :-1], edges[:, 1:])
    turns = np.einsum("nki,ni->nk", crosses, normal)
    return (turns >= -1e-12 * np.linalg.norm(normal, axis=1, keepdims=True) ** 2).all(1)


def _normals(places: np.ndarray) -> np.ndarray:
    """Area vectors of polygons [n, k, 3] (Newell's method)."""
    centred = places - places.mean(1, keepdims=True)
    return np.cross(centred, np.roll(centred, -1, axis=1)).sum(1)


def _cut_ears(places: np.ndarray) -> np.ndarray:
    """Triangles [k - 2, 3] of one polygon [k, 3] by ear clipping in the plane that it lies closest to."""
    normal = _normals(places[None])[0]
    drop = int(np.abs(normal).argmax())
    flat = np.delete(places, drop, axis=1) * np.array([1.0, -1.0 if drop == 1 else 1.0]) * [1.0, np.sign(normal[drop])]
    triangles = _clip_ears(np.ascontiguousarray(flat, np.float64))
    if len(triangles) < len(places) - 2:
        raise ValueError(f"a face of {len(places)} corners crosses itself; cut it into triangles first")
    return triangles


@cached()
def _clip_ears(flat: np.ndarray) -> np.ndarray:  # pragma: no cover - compiled
    left = np.arange(len(flat))
    count = len(flat)
    triangles = np.zeros((count - 2, 3), np.int64)
    start, tests = 0, 0
    for row in range(len(triangles)):
        ear = start % count  # where there is none, corners overlap, and any will do
        for step in range(count):
            i = (start + step) % count
            blocking = _blocking_corner(flat, left, count, i)
            tests += 1 + blocking
            if blocking == count:
                ear = i
            if blocking == count or tests > MOST_TESTS:
                break
        if tests > MOST_TESTS:
            return triangles[:row]
        triangles[row] = left[(ear - 1) % count], left[ear], left[(ear + 1) % count]
        left[ear : count - 1] = left[ear + 1 : count].copy()
        count -= 1
        start = ear
    return triangles


@cached()
def _blocking_corner(flat: np.ndarray, left: np.ndarray, count: int, i: int) -> int:  # pragma: no cover - compiled
    """The first of the corners left that lies in the ear of corner i; `count` if none does, 0 if it is no ear."""
    a, b, c = flat[left[(i - 1) % count]], flat[left[i]], flat[left[(i + 1) % count]]
    if _turn(a, b, c) <= 0:
        return 0
    for k in range(count):
        p = flat[left[k]]
        corner = (p == a).all() or (p == b).all() or (p == c).all()
        if not corner and _turn(a, b, p) >= 0 and _turn(b, c, p) >= 0 and _turn(c, a, p) >= 0:
            return k
    return count


@cached()
def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:  # pragma: no cover - compiled
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

"""Holes of a surface: closed by fans, and torn open where more than two faces meet."""

from __future__ import annotations

import numpy as np

from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import is_watertight

MENDINGS = 4  # at most; each is closer to a closed surface


def close_holes(mesh: Mesh) -> tuple[Mesh, int]:
    """Close each loop of open edges by a fan of triangles about its middle.

    Args:
        mesh: with one vertex at each position; attributes are dropped where there is a hole.

    Returns:
        The mesh, and the number of loops.
    """
    loops = _open_loops(mesh.faces)
    if not loops:
        return mesh, 0
    vertices, faces = [mesh.vertices], [mesh.faces]
    for number, loop in enumerate(loops):
        middle = len(mesh.vertices) + number
        vertices.append(mesh.vertices[loop].mean(0, keepdims=True))
        faces.append(np.stack([np.roll(loop, -1), loop, np.full(len(loop), middle)], axis=1))
    return Mesh(np.concatenate(vertices), np.concatenate(faces)), len(loops)


def mend(mesh: Mesh) -> Mesh:
    """A closed surface of one that is nearly so, as decimation leaves it.

    The faces around edges with other than two faces are removed, and the holes are closed.

    Args:
        mesh: with one vertex at each position; attributes are dropped where something is mended.

    Returns:
        The mesh itself where it is closed, or where it cannot be mended so.
    """
    mended = mesh
    for _ in range(MENDINGS):
        if mended.is_empty or is_watertight(mended):
            return mended
        mended, _ = close_holes(Mesh(mended.vertices, _without_odd_edges(mended.faces)))
    return mended if is_watertight(mended) else mesh


def _without_odd_edges(faces: np.ndarray) -> np.ndarray:
    """The faces that touch no vertex of an edge with more than two faces."""
    ends = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    edges, count = np.unique(ends, axis=0, return_counts=True)
    return faces[~np.isin(faces, edges[count > 2]).any(1)]


def _open_loops(faces: np.ndarray) -> list[np.ndarray]:
    """Vertices along each border of a surface, as its faces go through them; none is twice in a loop."""
    start, end = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    size = int(faces.max(initial=0)) + 1
    lonely = ~np.isin(start * size + end, end * size + start)
    after: dict[int, list[int]] = {}
    for a, b in zip(start[lonely].tolist(), end[lonely].tolist(), strict=True):
        after.setdefault(a, []).append(b)
    loops = list[np.ndarray]()
    for first in list(after):
        while after[first]:
            loops += _loops_from(first, after)
    return loops


def _loops_from(first: int, after: dict[int, list[int]]) -> list[np.ndarray]:
    """Loops along open edges from a vertex on; their edges are used up."""
    loops, path, at = list[np.ndarray](), list[int](), first
    while after.get(at):
        path.append(at)
        at = after[at].pop()
        if at in path:
            begin = path.index(at)
            if len(path) - begin > 2:
                loops.append(np.array(path[begin:]))
            path = path[:begin]
    return loops

"""Connected pieces of a mesh, whether it is closed, and which way its faces look."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from maquette.kernels.numba_support import cached
from maquette.meshes.mesh import Mesh
from maquette.meshes.tree import TriangleTree
from maquette.meshes.winding import winding_numbers

MOST_TESTED = 200  # inward pieces that are looked for inside of others


def weld(vertices: np.ndarray) -> np.ndarray:
    """Number of the place of each vertex [V]: equal positions share one.

    Example:
        >>> weld(np.array([[0.0, 0, 0], [1, 0, 0], [-0.0, 0, 0]])).tolist()
        [0, 1, 0]
    """
    if not len(vertices):
        return np.zeros(0, np.int64)
    order = np.lexsort(vertices.T)
    new = (np.diff(vertices[order], axis=0) != 0).any(1)
    place = np.empty(len(vertices), np.int64)
    place[order] = np.concatenate([[0], np.cumsum(new)])
    return place


def weld_positions(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct positions [P, 3], and the number of that of each vertex [V]."""
    place = weld(vertices)
    positions = np.zeros((place.max(initial=-1) + 1, 3), vertices.dtype)
    positions[place] = vertices
    return positions, place


@dataclass(frozen=True, eq=False)
class Pieces:
    """Faces of a mesh, joined over their edges where exactly two meet.

    Args:
        label: number of the piece of each face [F]; faces without area are pieces of their own.
        closed: whether a piece has no border and no edge with more than two faces [P].
        pairs: faces on both sides of each edge with two [E, 2].
        agree: whether the two are wound alike [E].
        flat: faces with two equal corners [F].
    """

    label: np.ndarray
    closed: np.ndarray
    pairs: np.ndarray
    agree: np.ndarray
    flat: np.ndarray


def find_pieces(mesh: Mesh) -> Pieces:
    """The pieces of a mesh with faces.

    Bodies that touch have edges of four faces where equal positions count as one; if more faces are in closed pieces
    where they do not, the mesh's own indices decide.
    """
    pieces = _pieces(weld(mesh.vertices)[mesh.faces])
    if pieces.closed[pieces.label[~pieces.flat]].all():
        return pieces
    apart = _pieces(mesh.faces)
    return apart if apart.closed[apart.label].sum() > pieces.closed[pieces.label].sum() else pieces


def _pieces(faces: np.ndarray) -> Pieces:
    flat = (faces == np.roll(faces, 1, axis=1)).any(1)
    solid = np.flatnonzero(~flat)
    start, end = faces[solid].reshape(-1), np.roll(faces[solid], -1, axis=1).reshape(-1)
    key = np.minimum(start, end) * (faces.max() + 1) + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    _, first, count = np.unique(key[order], return_index=True, return_counts=True)
    twice = first[count == 2]
    edges = np.stack([order[twice], order[twice + 1]], axis=1)
    pairs = solid[edges // 3]
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(faces),) * 2)
    pieces, label = connected_components(graph, directed=False)
    closed = np.ones(pieces, bool)
    lonely = np.repeat(count != 2, count)
    closed[label[solid[order[lonely] // 3]]] = False
    closed[label[flat]] = False
    return Pieces(label, closed, pairs, start[edges[:, 0]] != start[edges[:, 1]], flat)


def is_watertight(mesh: Mesh) -> bool:
    """Whether exactly two faces meet at each edge; faces without area do not count."""
    if mesh.is_empty:
        return False
    pieces = find_pieces(mesh)
    solid = pieces.label[~pieces.flat]
    return bool(len(solid)) and bool(pieces.closed[solid].all())


def count_components(mesh: Mesh) -> int:
    """Number of pieces that share no position."""
    if mesh.is_empty:
        return 0
    places = weld(mesh.vertices)
    a, b, c = places[mesh.faces].T
    rows, columns = np.concatenate([a, b]), np.concatenate([b, c])
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(places.max() + 1,) * 2)
    _, label = connected_components(graph, directed=False)
    return len(np.unique(label[a]))


def orient_outward(mesh: Mesh) -> tuple[Mesh, int]:
    """Wind closed pieces so that their normals point outward; open ones stay as they are.

    A piece whose faces disagree is made to agree first. A piece that looks inward and lies inside another one is the
    wall of a cavity and stays.

    Returns:
        The mesh, and the number of faces that were turned.
    """
    if mesh.is_empty:
        return mesh, 0
    pieces = find_pieces(mesh)
    turned = _agreeing(pieces)
    # about the middle of the mesh, so that rounding does not decide
    middle = mesh.vertices.mean(0)
    volumes = replace(mesh, vertices=mesh.vertices - middle, normals=None).face_volumes
    sums = np.bincount(pieces.label, np.where(turned, -volumes, volumes), len(pieces.closed))
    inward = np.flatnonzero(pieces.closed & (sums < 0))
    walls = _cavities(mesh, pieces, inward)
    turned = turned ^ (np.isin(pieces.label, inward) & ~np.isin(pieces.label, walls))
    if not turned.any():
        return mesh, 0
    faces = np.where(turned[:, None], mesh.faces[:, ::-1], mesh.faces)
    return replace(mesh, faces=faces), int(turned.sum())


def _agreeing(pieces: Pieces) -> np.ndarray:
    """Faces [F] to turn so that the faces of each closed piece agree; none of pieces that cannot agree."""
    turned = np.zeros(len(pieces.label), bool)
    odd = np.unique(pieces.label[pieces.pairs[~pieces.agree, 0]])
    for piece in odd[pieces.closed[odd]]:
        inside = np.flatnonzero(pieces.label == piece)
        edges = np.flatnonzero(pieces.label[pieces.pairs[:, 0]] == piece)
        number = np.zeros(len(pieces.label), np.int64)
        number[inside] = np.arange(len(inside))
        a, b = number[pieces.pairs[edges]].T
        agree = pieces.agree[edges]
        graph = coo_array((np.where(agree, 1, 2), (a, b)), shape=(len(inside),) * 2).tocsr()
        graph = graph + graph.T
        order, before = breadth_first_order(graph, 0, directed=False)
        step = np.asarray(graph[np.maximum(before[order], 0), order]).reshape(-1) == 2
        flips = _propagate(order, before, step)
        if ((flips[a] ^ flips[b]) == ~agree).all():
            turned[inside] = flips if 2 * flips.sum() <= len(flips) else ~flips
    return turned


@cached()
def _propagate(order: np.ndarray, before: np.ndarray, step: np.ndarray) -> np.ndarray:  # pragma: no cover - compiled
    flips = np.zeros(len(before), np.bool_)
    for i in range(1, len(order)):
        flips[order[i]] = flips[before[order[i]]] ^ step[i]
    return flips


def _cavities(mesh: Mesh, pieces: Pieces, inward: np.ndarray) -> list[int]:
    """Those inward pieces that lie inside another closed piece."""
    closed = np.flatnonzero(pieces.closed)
    if len(closed) < 2 or not len(inward) or len(inward) > MOST_TESTED:
        return []
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    order = np.argsort(pieces.label, kind="stable")
    starts = np.searchsorted(pieces.label[order], closed)
    ends = np.searchsorted(pieces.label[order], closed, side="right")
    members = {piece: order[a:b] for piece, a, b in zip(closed.tolist(), starts, ends, strict=True)}
    low = np.array([corners[members[piece]].min((0, 1)) for piece in closed.tolist()])
    high = np.array([corners[members[piece]].max((0, 1)) for piece in closed.tolist()])
    walls = []
    for piece in inward.tolist():
        at = int(np.flatnonzero(closed == piece)[0])
        around = (low < low[at]).all(1) & (high > high[at]).all(1)
        point = corners[members[piece][0], 0][None]
        for other in closed[around].tolist():
            tree = TriangleTree(mesh.vertices, mesh.faces[members[other]])
            if abs(winding_numbers(tree, point)[0]) > 0.5:
                walls.append(piece)
                break
    return walls

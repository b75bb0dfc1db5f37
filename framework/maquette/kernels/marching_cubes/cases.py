"""The table of marching cubes, derived: which triangles a cube adds for each set of its corners that is inside."""

from __future__ import annotations

from functools import cache
from itertools import product

import torch
from jaxtyping import Int
from torch import Tensor

CORNERS = tuple((i & 1, i >> 1 & 1, i >> 2 & 1) for i in range(8))  # corner i has its offset (x, y, z) in its bits
EDGES = tuple(
    (axis, tuple(0 if a == axis else offset[a - (a > axis)] for a in range(3)))
    for axis in range(3)
    for offset in product((0, 1), repeat=2)
)
"""The twelve edges of a cube: direction, and offset of the end with the smaller coordinates."""

Loop = tuple[int, ...]


@cache
def case_table() -> Int[Tensor, "256 T 3"]:
    """For each set of inside corners (bit i: corner i), its triangles as edges of the cube, -1 for none.

    On each face, a segment cuts off every run of inside corners, so that inside corners at a face's diagonal stay
    apart; since this depends on the face alone, neighbouring cubes agree and the surface has no holes. The segments
    form loops. A loop is divided by the shortest diagonals of which none lies in a face: there, the neighbouring cube
    could have the same one, and four triangles would meet at it.
    """
    cases = [[triangle for loop in _loops(case) for triangle in _triangulate(loop)] for case in range(256)]
    table = torch.full((256, max(map(len, cases)), 3), -1)
    for case, triangles in enumerate(cases):
        table[case, : len(triangles)] = torch.tensor(triangles).reshape(-1, 3)
    return table


def _loops(case: int) -> list[Loop]:
    """Closed chains of edges around the inside corners, counter-clockwise seen from outside the surface."""
    following: dict[int, int] = {}
    for ring in _faces():
        inside = [bool(case >> corner & 1) for corner in ring]
        for k in range(4):
            if inside[k] and not inside[k - 1]:
                length = next(n for n in range(1, 4) if not inside[(k + n) % 4])
                entry = _edge_between(ring[k - 1], ring[k])
                leave = _edge_between(ring[(k + length - 1) % 4], ring[(k + length) % 4])
                following[entry] = leave
    loops = []
    while following:
        loop = [min(following)]
        while (edge := following.pop(loop[-1])) != loop[0]:
            loop.append(edge)
        loops.append(tuple(loop))
    return loops


@cache
def _faces() -> tuple[tuple[int, ...], ...]:
    """Corners of the six faces, counter-clockwise seen from outside the cube."""
    faces = []
    for axis, side in product(range(3), (0, 1)):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        square = [(0, 0), (1, 0), (1, 1), (0, 1)] if side else [(0, 0), (0, 1), (1, 1), (1, 0)]
        faces.append(tuple(side << axis | a << u | b << v for a, b in square))
    return tuple(faces)


def _edge_between(first: int, second: int) -> int:
    axis = (first ^ second).bit_length() - 1
    return EDGES.index((axis, CORNERS[first & second]))


def _triangulate(loop: Loop) -> list[Loop]:
    """The triangles of a loop with the shortest diagonals."""
    return list(_best_fan(loop)[1])


@cache
def _best_fan(loop: Loop) -> tuple[float, tuple[Loop, ...]]:
    """Cost and triangles of the polygon of a chain of edges, closed by a line from its last to its first."""
    if len(loop) < 3:
        return 0.0, ()
    options = []
    for k in range(1, len(loop) - 1):
        left, right = loop[: k + 1], loop[k:]
        cost = sum(_diagonal_cost(side[0], side[-1]) for side in (left, right) if len(side) > 2)
        (left_cost, left_triangles), (right_cost, right_triangles) = _best_fan(left), _best_fan(right)
        triangles = (*left_triangles, (loop[0], loop[k], loop[-1]), *right_triangles)
        options.append((cost + left_cost + right_cost, triangles))
    return min(options)


def _diagonal_cost(first: int, second: int) -> float:
    """Squared distance between the middles of two edges; infinite where both lie in one face."""
    middles = []
    for edge in (first, second):
        axis, offset = EDGES[edge]
        middles.append([0.5 if a == axis else float(offset[a]) for a in range(3)])
    in_one_face = any(a == b and a in (0.0, 1.0) for a, b in zip(*middles, strict=True))
    return float("inf") if in_one_face else sum((a - b) ** 2 for a, b in zip(*middles, strict=True))

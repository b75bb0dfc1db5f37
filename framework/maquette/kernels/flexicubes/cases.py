"""Which edges of a cube belong to which patch of the surface, in each of the 256 sign patterns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Int
from torch import Tensor

from maquette.kernels.flexicubes.grid import EDGES, FACES

_EDGE_BETWEEN = {frozenset(ends): number for number, ends in enumerate(EDGES.tolist())}


@dataclass(frozen=True)
class CaseTables:
    """What dual marching cubes looks up; bit c of a case is set when corner c is inside.

    On a face whose corners are inside and outside in turn, the surface can run in two ways: it cuts off the two inside
    corners (rule 0) or the two outside ones (rule 1).

    Args:
        loops: under each rule, for each case, the number of the patch that each edge belongs to; -1 for uncut edges.
        counts: patches of each case under each rule, 0 to 4.
        pinched: the one face of a case on which both strands belong to the same patch under rule 0, or -1.
    """

    loops: Int[Tensor, "2 256 12"]
    counts: Int[Tensor, "2 256"]
    pinched: Int[Tensor, " 256"]


@cache
def case_tables() -> CaseTables:
    """The tables, on the CPU.

    Two cubes that both pinch the face between them would put four triangles on one edge of the dual mesh. Only the
    patterns known as C16 and C19 (36 of the 256) pinch, each on its only ambiguous face, so that rule 1 in both cubes
    parts the strands and changes no other face.

    Source: Nielson 2004, "Dual marching cubes", section 2; Wenger 2013, "Isosurfaces", section 3.3.
    """
    loops = torch.full((2, 256, 12), -1)
    pinched = torch.full((256,), -1)
    for case in range(256):
        for rule in (0, 1):
            for number, loop in enumerate(trace(case, rule)):
                loops[rule, case, loop] = number
        for face in range(6):
            crossed = strands(case, face, rule=0)
            if len(crossed) == 2 and loops[0, case, crossed[0][0]] == loops[0, case, crossed[1][0]]:
                pinched[case] = face
    return CaseTables(loops, loops.amax(-1) + 1, pinched)


def trace(case: int, rule: int) -> list[list[int]]:
    """The closed loops in which the surface meets a cube's boundary, each as the edges it crosses, in order."""
    neighbours: dict[int, list[int]] = {}
    for face in range(6):
        for first, second in strands(case, face, rule):
            neighbours.setdefault(first, []).append(second)
            neighbours.setdefault(second, []).append(first)
    loops = []
    while neighbours:
        loop = [min(neighbours)]
        while loop[-1] in neighbours:
            onward = neighbours.pop(loop[-1])
            loop.append(next((edge for edge in onward if edge in neighbours), loop[0]))
        loops.append(loop[:-1])
    return loops


def strands(case: int, face: int, rule: int) -> list[tuple[int, int]]:
    """The segments in which the surface meets a face, 0 to 2, as the two edges that each one joins."""
    corners = FACES[face].tolist()
    inside = [bool(case >> corner & 1) for corner in corners]
    edges = [_EDGE_BETWEEN[frozenset((corners[i], corners[(i + 1) % 4]))] for i in range(4)]
    cut = [i for i in range(4) if inside[i] != inside[(i + 1) % 4]]
    if len(cut) == 4:  # each strand cuts off a corner: it joins the edges before and after
        return [(edges[i - 1], edges[i]) for i in range(4) if inside[i] == (rule == 0)]
    return [(edges[cut[0]], edges[cut[1]])] if cut else []

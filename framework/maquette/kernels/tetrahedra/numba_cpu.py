"""Marching tetrahedra for CPUs: one pass over edges and one over tetrahedra, each counted first and then written."""

from __future__ import annotations

import numba
import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.counting import blocks
from maquette.kernels.numba_support import helper, kernel, launch
from maquette.kernels.tetrahedra.grid import TetrahedralGrid
from maquette.kernels.tetrahedra.reference import TABLE, crossings

BLOCK = 16_384  # edges or tetrahedra that one thread takes at a time


def marching_tetrahedra(
    positions: Float[Tensor, "vertices 3"], distances: Float[Tensor, " vertices"], grid: TetrahedralGrid
) -> tuple[Float[Tensor, "surface_vertices 3"], Int[Tensor, "F 3"]]:
    """As the public function."""
    inside = distances.detach() < 0
    starts = torch.zeros(blocks(len(grid.edges), BLOCK) + 1, dtype=torch.int64)
    launch(_count_edges, inside, grid.edges, starts[1:])
    starts = starts.cumsum(0)
    cut = torch.empty(int(starts[-1]), dtype=torch.int64)
    number = torch.empty(len(grid.edges), dtype=torch.int32)
    launch(_list_edges, inside, grid.edges, starts, cut, number)
    starts = torch.zeros(blocks(len(grid.tetrahedra), BLOCK) + 1, dtype=torch.int64)
    launch(_count_triangles, inside, grid.tetrahedra, TABLE, starts[1:])
    starts = starts.cumsum(0)
    triangles = torch.empty(int(starts[-1]), 3, dtype=torch.int64)
    launch(_list_triangles, inside, grid.tetrahedra, grid.edges_of, TABLE, number, starts, triangles)
    return crossings(positions, distances, grid.edges[cut]), triangles


@helper
def _case(inside, tetrahedra, t):
    return (
        inside[tetrahedra[t, 0]]
        | inside[tetrahedra[t, 1]] << 1
        | inside[tetrahedra[t, 2]] << 2
        | inside[tetrahedra[t, 3]] << 3
    )


@kernel
def _count_edges(inside, edges, counts):
    for block in numba.prange(len(counts)):
        count = 0
        for e in range(block * BLOCK, min((block + 1) * BLOCK, len(edges))):
            count += inside[edges[e, 0]] != inside[edges[e, 1]]
        counts[block] = count


@kernel
def _list_edges(inside, edges, starts, cut, number):
    for block in numba.prange(len(starts) - 1):
        place = starts[block]
        for e in range(block * BLOCK, min((block + 1) * BLOCK, len(edges))):
            if inside[edges[e, 0]] != inside[edges[e, 1]]:
                cut[place] = e
                number[e] = place
                place += 1


@kernel
def _count_triangles(inside, tetrahedra, table, counts):
    for block in numba.prange(len(counts)):
        count = 0
        for t in range(block * BLOCK, min((block + 1) * BLOCK, len(tetrahedra))):
            case = _case(inside, tetrahedra, t)
            count += (table[case, 0, 0] >= 0) + (table[case, 1, 0] >= 0)
        counts[block] = count


@kernel
def _list_triangles(inside, tetrahedra, edges_of, table, number, starts, triangles):
    for block in numba.prange(len(starts) - 1):
        place = starts[block]
        for t in range(block * BLOCK, min((block + 1) * BLOCK, len(tetrahedra))):
            case = _case(inside, tetrahedra, t)
            for slot in range(2):
                if table[case, slot, 0] < 0:
                    continue
                for corner in range(3):
                    triangles[place, corner] = number[edges_of[t, table[case, slot, corner]]]
                place += 1

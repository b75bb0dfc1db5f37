"""Marching cubes for CPUs: one pass that counts edges and triangles in each layer of cubes, one that lists them."""

from __future__ import annotations

import numba
import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.marching_cubes.cases import EDGES, case_table
from maquette.kernels.marching_cubes.reference import crossings
from maquette.kernels.numba_support import helper, kernel, launch


def marching_cubes(
    distances: Float[Tensor, "X Y Z"], low: tuple[float, float, float], cell: float
) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """As the public function."""
    inside, table = distances.detach() < 0, case_table()
    counts = torch.zeros(2, len(inside) + 1, dtype=torch.int64)  # cut edges and triangles before each layer
    launch(_count, inside, table, counts)
    starts = counts.cumsum(1)
    cut = torch.empty(int(starts[0, -1]), dtype=torch.int64)
    number = torch.empty(*inside.shape, 3, dtype=torch.int32)
    triangles = torch.empty(int(starts[1, -1]), 3, dtype=torch.int64)
    edges = torch.tensor([[axis, *offset] for axis, offset in EDGES])
    launch(_list, inside, table, edges, starts, cut, number, triangles)
    return crossings(distances, cut, low, cell), triangles


@helper
def _is_cut(inside, x, y, z, axis):
    """Whether the edge from a point along an axis ends within the grid and in the other sign."""
    u, v, w = x + (axis == 0), y + (axis == 1), z + (axis == 2)
    return u < inside.shape[0] and v < inside.shape[1] and w < inside.shape[2] and inside[x, y, z] != inside[u, v, w]


@helper
def _case(inside, x, y, z):
    """The set of inside corners of the cube from a point on; -1 for points on the grid's last layers."""
    if x + 1 >= inside.shape[0] or y + 1 >= inside.shape[1] or z + 1 >= inside.shape[2]:
        return -1
    case = 0
    for bit in range(8):
        case |= inside[x + (bit & 1), y + (bit >> 1 & 1), z + (bit >> 2 & 1)] << bit
    return case


@kernel
def _count(inside, table, counts):
    for x in numba.prange(inside.shape[0]):
        edges, triangles = 0, 0
        for y in range(inside.shape[1]):
            for z in range(inside.shape[2]):
                case = _case(inside, x, y, z)
                if case == 0 or case == 255:
                    continue
                for axis in range(3):
                    edges += _is_cut(inside, x, y, z, axis)
                for slot in range(table.shape[1] if case > 0 else 0):
                    triangles += table[case, slot, 0] >= 0
        counts[0, x + 1] = edges
        counts[1, x + 1] = triangles


@kernel
def _list(inside, table, edges, starts, cut, number, triangles):
    for x in numba.prange(inside.shape[0]):
        place = starts[0, x]
        for y in range(inside.shape[1]):
            for z in range(inside.shape[2]):
                case = _case(inside, x, y, z)
                if case == 0 or case == 255:
                    continue
                for axis in range(3):
                    if _is_cut(inside, x, y, z, axis):
                        cut[place] = ((x * inside.shape[1] + y) * inside.shape[2] + z) * 3 + axis
                        number[x, y, z, axis] = place
                        place += 1
    for x in numba.prange(inside.shape[0] - 1):
        place = starts[1, x]
        for y in range(inside.shape[1] - 1):
            for z in range(inside.shape[2] - 1):
                case = _case(inside, x, y, z)
                for slot in range(table.shape[1]):
                    if table[case, slot, 0] < 0:
                        break
                    for corner in range(3):
                        edge = edges[table[case, slot, corner]]
                        triangles[place, corner] = number[x + edge[1], y + edge[2], z + edge[3], edge[0]]
                    place += 1

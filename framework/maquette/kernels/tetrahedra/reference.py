"""Marching tetrahedra in plain torch, over a grid whose edges are tabled: nothing is searched or sorted per call."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.tetrahedra.grid import EDGES, TetrahedralGrid


def _case_table() -> Int[Tensor, "16 2 3"]:
    """For each set of inside corners (bit i: corner i), up to two triangles as edges of the tetrahedron, -1 for none.

    Derived on the unit tetrahedron, whose volume is positive: a triangle is turned so that its normal points from the
    inside corners to the outside ones.
    """
    unit = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    number = {tuple(pair): index for index, pair in enumerate(EDGES.tolist())}
    table = torch.full((16, 2, 3), -1)
    for case in range(1, 15):
        inside = [i for i in range(4) if case >> i & 1]
        outside = [i for i in range(4) if not case >> i & 1]
        if len(inside) == 2:
            (i, j), (k, m) = inside, outside
            ring = [(i, k), (i, m), (j, m), (j, k)]
            fans = [[ring[0], ring[1], ring[2]], [ring[0], ring[2], ring[3]]]
        else:
            fans = [[(i, k) for i in inside for k in outside]]
        outward = unit[outside].mean(0) - unit[inside].mean(0)
        for slot, fan in enumerate(fans):
            a, b, c = (unit[list(pair)].mean(0) for pair in fan)
            edges = [number[min(pair), max(pair)] for pair in fan]
            flipped = float(torch.linalg.cross(b - a, c - a) @ outward) < 0
            table[case, slot] = torch.tensor(edges[::-1] if flipped else edges)
    return table


TABLE = _case_table()


def marching_tetrahedra(
    positions: Float[Tensor, "vertices 3"], distances: Float[Tensor, " vertices"], grid: TetrahedralGrid
) -> tuple[Float[Tensor, "surface_vertices 3"], Int[Tensor, "F 3"]]:
    """As the public function."""
    inside = distances.detach() < 0
    cut = inside[grid.edges[:, 0]] != inside[grid.edges[:, 1]]
    number = cut.cumsum(0) - 1  # surface vertex of each cut edge
    bits = torch.tensor([1, 2, 4, 8], device=distances.device)
    case = (inside[grid.tetrahedra] * bits).sum(-1)
    active = (case > 0) & (case < 15)
    edges = TABLE.to(distances.device)[case[active]].flatten(1)  # [active, 6], -1 for none
    corners = grid.edges_of[active].gather(1, edges.clamp(min=0))
    triangles = number[corners].reshape(-1, 3)
    return crossings(positions, distances, grid.edges[cut]), triangles[edges.reshape(-1, 3)[:, 0] >= 0]


def crossings(
    positions: Float[Tensor, "vertices 3"], distances: Float[Tensor, " vertices"], cut: Int[Tensor, "S 2"]
) -> Float[Tensor, "S 3"]:
    """Where the function is zero along edges whose ends differ in sign."""
    first, second = cut.unbind(-1)
    s_first, s_second = distances[first, None], distances[second, None]
    return (positions[first] * s_second - positions[second] * s_first) / (s_second - s_first)

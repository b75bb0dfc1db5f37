"""FlexiCubes in plain torch: signs are read densely, everything after that only where the surface is."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from maquette.kernels.flexicubes.cases import case_tables
from maquette.kernels.flexicubes.grid import CORNERS, EDGES, NEIGHBOURS, CubeGrid
from maquette.kernels.flexicubes.surface import DualSurface


def flexicubes(
    positions: Float[Tensor, "corners 3"],
    distances: Float[Tensor, " corners"],
    grid: CubeGrid,
    alpha: Float[Tensor, "cubes 8"],
    beta: Float[Tensor, "cubes 12"],
    gamma: Float[Tensor, " cubes"],
) -> DualSurface:
    """As the public function."""
    inside = distances.detach() < 0
    case = _cases(inside, grid.resolution)
    cubes = ((case > 0) & (case < 255)).nonzero()[:, 0]
    rule = _rules(case, cubes, grid)
    tables = case_tables()
    loops = tables.loops.to(cubes.device)[rule, case[cubes]]
    counts = tables.counts.to(cubes.device)[rule, case[cubes]]
    # one row per cut edge of each cube from here on
    row, edge = (loops >= 0).nonzero(as_tuple=True)
    vertex = (counts.cumsum(0) - counts)[row] + loops[row, edge]
    corner = EDGES.to(cubes.device)[edge]
    ends = grid.corners_of(cubes)[row].gather(1, corner)
    weights = alpha[cubes[row, None], corner]
    x, s, b = positions[ends], distances[ends], beta[cubes[row], edge]
    owner = torch.arange(len(cubes), device=cubes.device).repeat_interleave(counts)
    vertices = _sums(b[:, None] * _crossings(x, s * weights), vertex, len(owner))
    vertices = vertices / _sums(b, vertex, len(owner))[:, None]
    deviation = _deviations(_crossings(x, s), vertices, vertex)
    quads = _quads(vertex, edge, ends[:, 0], inside, grid)
    used = torch.zeros(len(owner), dtype=torch.bool, device=cubes.device)
    used[quads] = True  # where the surface leaves the grid, a vertex may belong to no quadrilateral
    number = used.cumsum(0) - 1
    return DualSurface(vertices[used], number[quads], gamma[cubes[owner]][used], deviation[used])


def _cases(inside: Bool[Tensor, " corners"], n: int) -> Int[Tensor, " cubes"]:
    lattice = inside.reshape(n + 1, n + 1, n + 1).to(torch.uint8)
    bits = [lattice[x : x + n, y : y + n, z : z + n] << c for c, (x, y, z) in enumerate(CORNERS.tolist())]
    return torch.stack(bits).sum(0).flatten()


def _rules(case: Int[Tensor, " all"], cubes: Int[Tensor, " m"], grid: CubeGrid) -> Int[Tensor, " m"]:
    """1 for cubes that share a pinched face with a cube that pinches it too, else 0."""
    pinched = case_tables().pinched.to(case.device)
    face = pinched[case[cubes]]
    behind = grid.places(cubes) + NEIGHBOURS.to(case.device)[face.clamp(min=0)]
    some = ((face >= 0) & grid.within(behind)).nonzero()[:, 0]
    rule = torch.zeros_like(cubes)
    rule[some] = (pinched[case[grid.number(behind[some])]] == (face[some] ^ 1)).long()
    return rule


def _crossings(x: Float[Tensor, "m 2 3"], s: Float[Tensor, "m 2"]) -> Float[Tensor, "m 3"]:
    """Where the line through (x_a, s_a) and (x_b, s_b) is zero."""
    return (x[:, 0] * s[:, 1:] - x[:, 1] * s[:, :1]) / (s[:, 1:] - s[:, :1])


def _deviations(
    crossings: Float[Tensor, "m 3"], vertices: Float[Tensor, "V 3"], vertex: Int[Tensor, " m"]
) -> Float[Tensor, " V"]:
    distance = (crossings - vertices[vertex]).norm(dim=-1)
    size = torch.bincount(vertex, minlength=len(vertices))
    mean = _sums(distance, vertex, len(vertices)) / size
    return _sums((distance - mean[vertex]).abs(), vertex, len(vertices)) / size


def _sums(values: Float[Tensor, "m ..."], vertex: Int[Tensor, " m"], vertices: int) -> Float[Tensor, "V ..."]:
    return values.new_zeros(vertices, *values.shape[1:]).index_add(0, vertex, values)


def _quads(
    vertex: Int[Tensor, " m"],
    edge: Int[Tensor, " m"],
    lower: Int[Tensor, " m"],
    inside: Bool[Tensor, " corners"],
    grid: CubeGrid,
) -> Int[Tensor, "Q 4"]:
    """One for each cut edge that has four cubes, of the dual vertices in these."""
    inner = grid.surrounded(lower, edge // 4)
    vertex, edge, lower = vertex[inner], edge[inner], lower[inner]
    order = ((edge // 4 * len(inside) + lower) * 4 + edge % 4).argsort()  # by edge, then around it
    quads = vertex[order].reshape(-1, 4)
    upwards = inside[lower[order[::4]], None]  # counter-clockwise seen from the edge's upper end
    return torch.where(upwards, quads, quads.flip(-1))

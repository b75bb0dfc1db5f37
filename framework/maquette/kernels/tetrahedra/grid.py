"""A body-centred cubic grid of tetrahedra for any resolution, with its edges tabled once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

EDGES = torch.tensor([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])  # corners of a tetrahedron's six edges


@dataclass(frozen=True, eq=False)
class TetrahedralGrid:
    """Tetrahedra that fill the cube [-1, 1]^3.

    Args:
        positions: corners [V, 3].
        tetrahedra: corners of each tetrahedron [T, 4], all of positive volume.
        edges: ends of each edge once, [E, 2], the smaller index first.
        edges_of: the six edges of each tetrahedron, [T, 6], in the order of `EDGES`.
    """

    positions: Float[Tensor, "V 3"]
    tetrahedra: Int[Tensor, "T 4"]
    edges: Int[Tensor, "E 2"]
    edges_of: Int[Tensor, "T 6"]

    def to(self, device: torch.device | str) -> TetrahedralGrid:
        """The grid on another device."""
        return TetrahedralGrid(*(t.to(device) for t in (self.positions, self.tetrahedra, self.edges, self.edges_of)))


def grid_positions(resolution: int) -> Float[Tensor, "V 3"]:
    """The corners of `tetrahedral_grid` alone, which take no time: (r + 1)^3 of cubes, then their r^3 centres."""
    if resolution < 1:
        raise ValueError(f"tetrahedral_grid: resolution is at least 1, not {resolution}")
    axis = torch.linspace(-1, 1, resolution + 1)
    middle = (axis[1:] + axis[:-1]) / 2
    corners = torch.cartesian_prod(axis, axis, axis)
    return torch.cat([corners, torch.cartesian_prod(middle, middle, middle)])


@lru_cache(maxsize=4)
def tetrahedral_grid(resolution: int) -> TetrahedralGrid:
    """The grid with `resolution` cubes along a side.

    Its corners are those of the cubes, (r + 1)^3, and their centres, r^3. Around each edge of a face between two cubes
    stands a tetrahedron of that edge and the two centres; where a face lies on the boundary, its two halves are joined
    to the one centre. All inner tetrahedra are congruent, with angles that marching likes.

    Args:
        resolution: cubes along a side, at least 1. 24 has 29,449 corners and 64 has 536,769.

    Raises:
        ValueError: the resolution is less than 1.

    Source: Labelle & Shewchuk 2007, "Isosurface stuffing", section 3.
    """
    n = resolution
    positions = grid_positions(n)
    parts = [_across_faces(n, direction) for direction in range(3)]
    tetrahedra = _positive(positions, torch.cat(parts))
    pairs = tetrahedra[:, EDGES].sort(dim=-1).values.reshape(-1, 2)
    code, edge_of = torch.unique(pairs[:, 0] * len(positions) + pairs[:, 1], return_inverse=True)
    edges = torch.stack([code // len(positions), code % len(positions)], dim=-1)
    return TetrahedralGrid(positions, tetrahedra, edges, edge_of.reshape(-1, 6))


def _across_faces(n: int, direction: int) -> Int[Tensor, "T 4"]:
    """Tetrahedra around the faces that are perpendicular to one axis."""
    steps = torch.arange(n + 1)
    cells = torch.arange(n)
    ranges = [cells, cells, cells]
    ranges[direction] = steps
    place = torch.cartesian_prod(*ranges)  # the least corner of each face
    u, v = (torch.eye(3, dtype=torch.long)[axis] for axis in range(3) if axis != direction)
    square = [_corner(n, place + offset) for offset in (0 * u, u, u + v, v)]
    back = place.clone()
    back[:, direction] -= 1
    inner = (place[:, direction] > 0) & (place[:, direction] < n)
    behind, ahead = _centre(n, back), _centre(n, place)
    tetrahedra = [torch.stack([square[i], square[(i + 1) % 4], behind, ahead], dim=-1)[inner] for i in range(4)]
    lone = torch.where(place[:, direction] == 0, ahead, behind)
    halves = ((0, 1, 2), (0, 2, 3))
    tetrahedra += [torch.stack([*(square[i] for i in half), lone], dim=-1)[~inner] for half in halves]
    return torch.cat(tetrahedra)


def _corner(n: int, place: Int[Tensor, "f 3"]) -> Int[Tensor, " f"]:
    return (place[:, 0] * (n + 1) + place[:, 1]) * (n + 1) + place[:, 2]


def _centre(n: int, cell: Int[Tensor, "f 3"]) -> Int[Tensor, " f"]:
    return (n + 1) ** 3 + (cell[:, 0] * n + cell[:, 1]) * n + cell[:, 2]


def _positive(positions: Tensor, tetrahedra: Tensor) -> Tensor:
    """The same tetrahedra, their corners ordered so that each volume is positive."""
    a, b, c, d = positions[tetrahedra].unbind(1)
    negative = (torch.linalg.cross(b - a, c - a) * (d - a)).sum(-1) < 0
    swapped = tetrahedra[:, [0, 1, 3, 2]]
    return torch.where(negative[:, None], swapped, tetrahedra)

"""A grid of cubes, and how the corners, edges and faces of a cube are numbered; all of it is arithmetic, no tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_AROUND = ((0, 0), (1, 0), (1, 1), (0, 1))  # a square, counter-clockwise

CORNERS = torch.tensor([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)])
"""Where corner c of a cube lies, in steps from its least one."""


def _corner(axis: int, along: int, around: tuple[int, int]) -> int:
    """The corner at given steps along an axis and along the two that follow it."""
    u, v = around
    return along << axis | u << (axis + 1) % 3 | v << (axis + 2) % 3


EDGES = torch.tensor([[_corner(axis, end, at) for end in (0, 1)] for axis in range(3) for at in _AROUND])
"""Ends of edge 4 axis + slot. The four cubes around an edge know it by the four slots, in counter-clockwise order."""

FACES = torch.tensor([[_corner(axis, side, at) for at in _AROUND] for axis in range(3) for side in (0, 1)])
"""Corners of face 2 axis + side, in turn; the face opposite to f is f ^ 1."""

NEIGHBOURS = torch.tensor([[(2 * side - 1) * (axis == k) for k in range(3)] for axis in range(3) for side in (0, 1)])
"""Steps to the cube behind each face."""


@dataclass(frozen=True, eq=False)
class CubeGrid:
    """n^3 cubes that fill [-1, 1]^3, counted with z last, like their (n + 1)^3 corners.

    Args:
        resolution: n, cubes along a side.
        positions: corners [V, 3], V = (n + 1)^3.
    """

    resolution: int
    positions: Float[Tensor, "V 3"]

    @property
    def cubes(self) -> int:
        """How many cubes there are."""
        return self.resolution**3

    def to(self, device: torch.device | str) -> CubeGrid:
        """The grid on another device."""
        return CubeGrid(self.resolution, self.positions.to(device))

    def places(self, cubes: Int[Tensor, " m"]) -> Int[Tensor, " ..."]:
        """Steps from the grid's least corner to that of each cube."""
        return _split(cubes, self.resolution)

    def number(self, places: Int[Tensor, "m 3"]) -> Int[Tensor, " m"]:
        """The cubes at places that are `within` the grid."""
        return _join(places, self.resolution)

    def within(self, places: Int[Tensor, "m 3"]) -> Bool[Tensor, " m"]:
        """Whether there is a cube at each place."""
        return ((places >= 0) & (places < self.resolution)).all(-1)

    def corners_of(self, cubes: Int[Tensor, " m"]) -> Int[Tensor, " ..."]:
        """Rows of `positions` at the corners of each cube."""
        return _join(self.places(cubes)[:, None] + CORNERS.to(cubes.device), self.resolution + 1)

    def surrounded(self, lower: Int[Tensor, " m"], axis: Int[Tensor, " m"]) -> Bool[Tensor, " m"]:
        """Whether the edge from the corner `lower` along an axis has all its four cubes."""
        places = _split(lower, self.resolution + 1)
        amid = (places > 0) & (places < self.resolution)
        along = torch.arange(3, device=axis.device) == axis[:, None]
        return (amid | along).all(-1)


@lru_cache(maxsize=4)
def cube_grid(resolution: int) -> CubeGrid:
    """The grid with `resolution` cubes along a side.

    Args:
        resolution: at least 1. 32 has 35,937 corners and 64 has 274,625.

    Raises:
        ValueError: the resolution is less than 1.

    Example:
        >>> grid = cube_grid(2)
        >>> grid.cubes, grid.positions[grid.corners_of(torch.tensor([7]))[0]].min(0).values.tolist()
        (8, [0.0, 0.0, 0.0])
    """
    if resolution < 1:
        raise ValueError(f"cube_grid: resolution is at least 1, not {resolution}")
    axis = torch.linspace(-1, 1, resolution + 1)
    return CubeGrid(resolution, torch.cartesian_prod(axis, axis, axis))


def _split(number: Int[Tensor, " m"], side: int) -> Int[Tensor, " ..."]:
    return torch.stack([number // side**2, number // side % side, number % side], dim=-1)


def _join(places: Int[Tensor, "... 3"], side: int) -> Int[Tensor, " ..."]:
    return (places[..., 0] * side + places[..., 1]) * side + places[..., 2]

"""Marching cubes in plain torch: nothing is searched or sorted."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.marching_cubes.cases import CORNERS, EDGES, case_table


def marching_cubes(
    distances: Float[Tensor, "X Y Z"], low: tuple[float, float, float], cell: float
) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """As the public function."""
    inside = distances.detach() < 0
    cut = torch.zeros(*inside.shape, 3, dtype=torch.bool, device=inside.device)
    for axis in range(3):
        length = inside.shape[axis] - 1
        first, second = inside.narrow(axis, 0, length), inside.narrow(axis, 1, length)
        cut[..., axis].narrow(axis, 0, length).copy_(first != second)
    number = cut.flatten().cumsum(0) - 1  # vertex of each cut edge
    cells = [length - 1 for length in inside.shape]
    case = torch.zeros(cells, dtype=torch.int64, device=inside.device)
    for bit, offset in enumerate(CORNERS):
        case |= inside[tuple(slice(o, o + n) for o, n in zip(offset, cells, strict=True))].long() << bit
    active = ((case > 0) & (case < 255)).nonzero()
    edges = case_table().to(distances.device)[case[tuple(active.T)]].flatten(0, 1)  # [cubes T, 3]
    cube = active.repeat_interleave(len(edges) // max(len(active), 1), dim=0)
    cube, edges = cube[edges[:, 0] >= 0], edges[edges[:, 0] >= 0]
    offsets = torch.tensor([edge[1] for edge in EDGES], device=edges.device)
    directions = torch.tensor([edge[0] for edge in EDGES], device=edges.device)
    start = flat_index(cube[:, None] + offsets[edges], inside.shape)
    triangles = number[start * 3 + directions[edges]]
    return crossings(distances, cut.flatten().nonzero()[:, 0], low, cell), triangles


def crossings(
    distances: Float[Tensor, "X Y Z"], cut: Int[Tensor, " V"], low: tuple[float, float, float], cell: float
) -> Float[Tensor, "V 3"]:
    """Where the function is zero on grid edges whose ends differ in sign.

    Args:
        cut: edges, three times the flat index of the point that each starts from, plus its direction.
    """
    start, direction = cut // 3, cut % 3
    _, y, z = distances.shape
    step = torch.tensor([y * z, z, 1], device=cut.device)[direction]
    flat = distances.reshape(-1)  # index_select: its gradient is added in one order
    first, second = flat.index_select(0, start), flat.index_select(0, start + step)
    at = torch.stack([start // (y * z), start // z % y, start % z], dim=-1).to(distances)
    along = torch.nn.functional.one_hot(direction, 3).to(distances) * (first / (first - second))[:, None]
    return torch.tensor(low).to(distances) + cell * (at + along)


def flat_index(place: Int[Tensor, "*n 3"], shape: torch.Size) -> Int[Tensor, " *n"]:
    """Flat indices of points of a grid of this shape."""
    return (place[..., 0] * shape[1] + place[..., 1]) * shape[2] + place[..., 2]

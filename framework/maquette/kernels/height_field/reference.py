"""Rays over a height field in plain torch: the definition that the other backends are tested against, on any device."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.height_field.hits import GROUND, SKY, TREE, WATER, HeightFieldHits

_BITS = 62


def cast_rays(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    ground: Float[Tensor, "x y"],
    tree_base: Int[Tensor, "x y"],
    tree_bits: Int[Tensor, "x y"],
    water: float,
    reach: float,
) -> HeightFieldHits:
    """As the public function; all rays step from cell to cell at once."""
    last = torch.tensor(ground.shape, device=ground.device) - 1
    start, end = _span(origins, directions, last, reach)
    wet = _plane(origins, directions, water)
    end = torch.minimum(end, wet)
    depth = torch.full_like(start, torch.inf)
    kind = torch.full(start.shape, SKY, dtype=torch.uint8, device=start.device)
    cell = (origins + start[:, None] * directions)[:, :2].floor().nan_to_num(0.0).long()
    cell = torch.minimum(cell.clamp(min=0), last - 1)
    active = start <= end
    while bool(active.any()):
        border = (cell + (directions[:, :2] > 0) - origins[:, :2]) / directions[:, :2]
        border = torch.where(directions[:, :2] == 0, torch.inf, border)
        leave = torch.minimum(border.amin(dim=1), end)
        to_ground = _ground(origins, directions, ground, cell, start, leave)
        to_tree = _tree(origins, directions, tree_base, tree_bits, cell, start, leave)
        nearest = torch.minimum(to_ground, to_tree)
        hit = active & nearest.isfinite()
        depth = torch.where(hit, nearest, depth)
        kind = torch.where(hit, torch.where(to_tree < to_ground, TREE, GROUND).to(torch.uint8), kind)
        along_x = border[:, 0] <= border[:, 1]
        step = torch.where(directions[:, :2] > 0, 1, -1) * torch.stack([along_x, ~along_x], dim=1)
        cell = cell + step
        inside = ((cell >= 0) & (cell < last)).all(dim=1)
        cell = torch.minimum(cell.clamp(min=0), last - 1)
        active, start = active & ~hit & (leave < end) & inside, leave
    wet_at_last = depth.isinf() & (wet <= reach)
    return HeightFieldHits(torch.where(wet_at_last, wet, depth), torch.where(wet_at_last, WATER, kind).to(torch.uint8))


def _span(origins: Tensor, directions: Tensor, last: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """Where each ray enters and leaves the map; an empty span where it misses it."""
    start, end = torch.zeros_like(origins[:, 0]), torch.full_like(origins[:, 0], reach)
    for axis in (0, 1):
        origin, direction, most = origins[:, axis], directions[:, axis], last[axis].to(origins.dtype)
        near, far = -origin / direction, (most - origin) / direction
        parallel = direction == 0
        within = (origin >= 0) & (origin <= most)
        near, far = torch.minimum(near, far), torch.maximum(near, far)
        start = torch.where(parallel, torch.where(within, start, torch.inf), torch.maximum(start, near))
        end = torch.where(parallel, end, torch.minimum(end, far))
    return start, end


def _plane(origins: Tensor, directions: Tensor, water: float) -> Tensor:
    """Where each ray comes down to the water; infinite where it does not."""
    falling = (directions[:, 2] < 0) & (origins[:, 2] >= water)
    return torch.where(falling, (water - origins[:, 2]) / directions[:, 2], torch.inf)


def _over(origins: Tensor, directions: Tensor, corners: tuple[Tensor, ...], cell: Tensor, t: Tensor) -> Tensor:
    """Height of the ray over the patch of a cell at t."""
    u = (origins[:, 0] + t * directions[:, 0] - cell[:, 0]).clamp(0.0, 1.0)
    v = (origins[:, 1] + t * directions[:, 1] - cell[:, 1]).clamp(0.0, 1.0)
    h00, h10, h01, h11 = corners
    low, high = h00 + u * (h10 - h00), h01 + u * (h11 - h01)
    return origins[:, 2] + t * directions[:, 2] - (low + v * (high - low))


def _ground(origins: Tensor, directions: Tensor, ground: Tensor, cell: Tensor, start: Tensor, leave: Tensor) -> Tensor:
    i, j = cell.unbind(-1)
    corners = (ground[i, j], ground[i + 1, j], ground[i, j + 1], ground[i + 1, j + 1])
    first, last = (_over(origins, directions, corners, cell, t) for t in (start, leave))
    middle = _over(origins, directions, corners, cell, (start + leave) / 2)
    slope, bend = 4 * middle - 3 * first - last, 2 * first - 4 * middle + 2 * last
    root = 2 * first / ((slope * slope - 4 * bend * first).clamp(min=0.0).sqrt() - slope)
    crossing = start + root.nan_to_num(1.0).clamp(0.0, 1.0) * (leave - start)
    return torch.where(first < 0, start, torch.where(last < 0, crossing, torch.inf))


def _tree(
    origins: Tensor,
    directions: Tensor,
    tree_base: Tensor,
    tree_bits: Tensor,
    cell: Tensor,
    start: Tensor,
    leave: Tensor,
) -> Tensor:
    i, j = cell.unbind(-1)
    base, word = tree_base[i, j], tree_bits[i, j]
    origin, direction = origins[:, 2], directions[:, 2]
    first, last = ((origin + t * direction - base).floor().clamp(-1, _BITS) for t in (start, leave))
    bit = torch.arange(_BITS, device=word.device)
    within = (bit >= torch.minimum(first, last)[:, None]) & (bit <= torch.maximum(first, last)[:, None])
    within &= (word[:, None] >> bit) & 1 == 1
    entry = (base[:, None] + bit + (direction < 0)[:, None] - origin[:, None]) / direction[:, None]
    entry = torch.minimum(torch.maximum(entry, start[:, None]), leave[:, None])
    entry = torch.where(bit == first[:, None], start[:, None], entry)
    return torch.where(within, entry, torch.inf).amin(dim=1)

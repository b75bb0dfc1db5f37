"""Which Gaussians meet which tile, in torch operations on any device.

A tile is 16 x 16 pixels. An *entry* is one Gaussian in one tile. Entries are made Gaussian by Gaussian in the order of
depth, which numbers their *slots*, and then sorted by tile. The backward pass writes each entry's gradients into its
slot, and a Gaussian's gradient is the sum of its slots, which lie side by side: no atomic instructions, and the same
bits on every run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.counting import blocks
from maquette.kernels.splatting.reference import reach
from maquette.kernels.splatting.results import LEAST_ALPHA, TILE, Projected


@dataclass(frozen=True)
class Tiles:
    """Entries of a picture.

    Attributes:
        start: first entry of each tile, then the number of entries; tiles row by row.
        entries: Gaussian of each entry, tile by tile in the order of depth.
        slots: slot of each entry.
        order: the Gaussians that have entries, in the order of depth.
        counts: entries of each of them.
        across: tiles in a row.
        height: rows of the picture.
        width: columns of the picture.
    """

    start: Int[Tensor, " tiles_plus_one"]
    entries: Int[Tensor, " e"]
    slots: Int[Tensor, " e"]
    order: Int[Tensor, " m"]
    counts: Int[Tensor, " m"]
    across: int
    height: int
    width: int


@torch.no_grad()
def tile(projected: Projected, opacities: Float[Tensor, " n"]) -> Tiles:
    """Entries of the footprints that may be above the cut somewhere."""
    height, width = projected.height, projected.width
    across, down = blocks(width, TILE), blocks(height, TILE)
    left, top, right, bottom = _boxes(projected, opacities)
    counts = (right - left) * (bottom - top)
    order = counts.nonzero().squeeze(-1)
    order = order[torch.argsort(projected.depths[order], stable=True)]
    counts, left, top, wide = counts[order], left[order], top[order], (right - left)[order]
    total = int(counts.sum())
    owner = torch.repeat_interleave(torch.arange(len(order), device=order.device), counts, output_size=total)
    within = torch.arange(total, device=order.device) - (counts.cumsum(0) - counts)[owner]
    row, column = top[owner] + within // wide[owner], left[owner] + within % wide[owner]
    tiles, slots = torch.sort(row * across + column, stable=True)
    start = torch.searchsorted(tiles, torch.arange(across * down + 1, device=order.device))
    return Tiles(start, order[owner[slots]], slots, order, counts, across, height, width)


def _boxes(projected: Projected, opacities: Tensor) -> tuple[Tensor, ...]:
    """Tiles [left, right) x [top, bottom) whose pixels a Gaussian may reach; empty where it is not drawn."""
    rendered = projected.visible & (opacities >= LEAST_ALPHA)
    # A hair more than o exp(-r^2 / 2) = 1/255: rounding must not lose a pixel that the test of alpha would keep.
    margin = (1.001 * reach(opacities) + 1e-3)[:, None] * projected.deviations
    size = margin.new_tensor([projected.width, projected.height])
    first = (projected.means - margin - 0.5).ceil().clamp(min=0)
    beyond = torch.minimum((projected.means + margin - 0.5).floor() + 1, size)
    some = rendered & (first < beyond).all(dim=-1)
    first = torch.where(some[:, None], first, 0).long() // TILE
    beyond = torch.where(some[:, None], beyond - 1, -1).long() // TILE + 1
    return *first.unbind(-1), *torch.maximum(beyond, first).unbind(-1)

"""Texture sampling in plain torch; `reference.py` gathers the whole backend."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sample_texture(
    texels: Float[Tensor, "T N C"],
    sizes: Int[Tensor, "L 2"],
    uv: Float[Tensor, "B H W 2"],
    level: Float[Tensor, "B H W"] | None,
    nearest: bool,
    repeat: bool,
) -> Float[Tensor, "B H W C"]:
    """As the public function, from the texels of all levels one after the other and the rows and columns of each."""
    lookup = _nearest if nearest else _linear
    if level is None:
        return lookup(texels, sizes, uv, torch.zeros_like(uv[..., 0], dtype=torch.long), repeat)
    fine = level.long()
    coarse = (fine + 1).clamp(max=len(sizes) - 1)
    fraction = (level - fine)[..., None]
    return (1 - fraction) * lookup(texels, sizes, uv, fine, repeat) + fraction * lookup(
        texels, sizes, uv, coarse, repeat
    )


def _nearest(texels: Tensor, sizes: Tensor, uv: Tensor, level: Tensor, repeat: bool) -> Tensor:
    size = sizes[level].flip(-1)
    return _fetch(texels, sizes, level, _whole(_unwrapped(uv, repeat) * size), repeat)


def _linear(texels: Tensor, sizes: Tensor, uv: Tensor, level: Tensor, repeat: bool) -> Tensor:
    position = _unwrapped(uv, repeat) * sizes[level].flip(-1) - 0.5
    cell = _whole(position)
    x, y = (position - cell)[..., None, :].unbind(-1)
    right, below = (torch.tensor(step, device=uv.device) for step in ((1, 0), (0, 1)))
    above_row = (1 - x) * _fetch(texels, sizes, level, cell, repeat)
    above_row = above_row + x * _fetch(texels, sizes, level, cell + right, repeat)
    below_row = (1 - x) * _fetch(texels, sizes, level, cell + below, repeat)
    below_row = below_row + x * _fetch(texels, sizes, level, cell + right + below, repeat)
    return (1 - y) * above_row + y * below_row


def _unwrapped(uv: Tensor, repeat: bool) -> Tensor:
    """Coordinates within [0, 1), or within a texture's length of it, so that their digits serve the fraction."""
    return uv - uv.detach().floor() if repeat else uv.clamp(-1.0, 2.0)


def _whole(position: Tensor) -> Tensor:
    return position.detach().floor().nan_to_num(0.0).long()


def _fetch(texels: Tensor, sizes: Tensor, level: Tensor, cell: Tensor, repeat: bool) -> Tensor:
    height, width = sizes[level].unbind(-1)
    column, row = cell.unbind(-1)
    if repeat:
        column, row = column % width, row % height
    else:
        column = torch.minimum(column.clamp(min=0), width - 1)
        row = torch.minimum(row.clamp(min=0), height - 1)
    ends = sizes.prod(dim=-1).cumsum(0)
    texel = (ends - sizes.prod(dim=-1))[level] + row * width + column
    if len(texels) > 1:
        texel = texel + torch.arange(len(texels), device=texel.device)[:, None, None] * texels.shape[1]
    return texels.flatten(0, 1).index_select(0, texel.flatten()).reshape(*texel.shape, texels.shape[-1])

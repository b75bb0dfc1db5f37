"""Compositing in plain torch: the definition that the other backends are tested against, on any device."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def composite(
    thickness: Float[Tensor, " n"], ray_start: Int[Tensor, " rays_plus_one"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """As the public function, from thickness = densities * deltas.

    Rays are laid out as rows of a padded matrix: a running sum over the packed samples would have to subtract what all
    earlier rays added up to, and lose its digits.
    """
    lengths = ray_start.diff()
    rays = len(lengths)
    if not len(thickness):
        return thickness.clone(), thickness.clone()
    row = torch.repeat_interleave(torch.arange(rays, device=ray_start.device), lengths, output_size=len(thickness))
    column = torch.arange(len(thickness), device=ray_start.device) - ray_start[row]
    padded = thickness.new_zeros(rays, int(lengths.max())).index_put((row, column), thickness)
    # Shifting the sum, instead of subtracting the sample's own thickness, keeps an infinite last sample finite.
    before = torch.nn.functional.pad(padded.cumsum(dim=-1)[:, :-1], (1, 0))
    transmittance = torch.exp(-before[row, column])
    return -torch.expm1(-thickness) * transmittance, transmittance


def accumulate(
    weights: Float[Tensor, " n"], values: Float[Tensor, "n channels"], ray_index: Int[Tensor, " n"], n_rays: int
) -> Float[Tensor, "rays channels"]:
    """As the public function."""
    return values.new_zeros(n_rays, values.shape[1]).index_add(0, ray_index, weights[:, None] * values)

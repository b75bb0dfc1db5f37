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
    if not len(thickness):
        return thickness.clone(), thickness.clone()
    transmittance = torch.exp(-_before(thickness, ray_start))
    return -torch.expm1(-thickness) * transmittance, transmittance


def distortion(
    weights: Float[Tensor, " n"],
    t: Float[Tensor, " n"],
    deltas: Float[Tensor, " n"],
    ray_start: Int[Tensor, " rays_plus_one"],
) -> Float[Tensor, " rays"]:
    """As the public function; pairs i, j < i are summed by what lies before i."""
    sums = weights.new_zeros(len(ray_start) - 1)
    if not len(weights):
        return sums + weights.sum()
    between = 2 * weights * (t * _before(weights, ray_start) - _before(weights * t, ray_start))
    row, _ = _places(ray_start, len(weights))
    return sums.index_add(0, row, between + weights.square() * deltas / 3)


def _before(values: Float[Tensor, " n"], ray_start: Int[Tensor, " rays_plus_one"]) -> Float[Tensor, " n"]:
    """The sum of the values in front of each sample on its ray."""
    row, column = _places(ray_start, len(values))
    padded = values.new_zeros(len(ray_start) - 1, int(ray_start.diff().max())).index_put((row, column), values)
    # Shifting the sum, instead of subtracting the sample's own value, keeps an infinite last sample finite.
    before = torch.nn.functional.pad(padded.cumsum(dim=-1)[:, :-1], (1, 0))
    return before[row, column]


def _places(ray_start: Int[Tensor, " rays_plus_one"], samples: int) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """The ray of each sample, and its number on it."""
    lengths = ray_start.diff()
    row = torch.repeat_interleave(torch.arange(len(lengths), device=ray_start.device), lengths, output_size=samples)
    return row, torch.arange(samples, device=ray_start.device) - ray_start[row]


def accumulate(
    weights: Float[Tensor, " n"], values: Float[Tensor, "n channels"], ray_index: Int[Tensor, " n"], n_rays: int
) -> Float[Tensor, "rays channels"]:
    """As the public function."""
    return values.new_zeros(n_rays, values.shape[1]).index_add(0, ray_index, weights[:, None] * values)

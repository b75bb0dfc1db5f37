"""Compositing for CUDA: one program walks along each ray, forward, and back for the gradient.

The formulas are those of `numba_cpu.py`. A program takes a block of a ray's samples at a time and sums along it by a
scan, so that all sums have the same order, and the same bits, on every run.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.compositing.reference import distortion
from maquette.kernels.counting import blocks
from maquette.kernels.triton_support import launch, power_of_two

__all__ = ["accumulate", "composite", "distortion"]  # the last is two running sums, which torch does as well

_BLOCK = 64  # samples of a ray that are taken at once
_MOST_CHANNELS = 16  # of the values, in one program


def composite(
    thickness: Float[Tensor, " n"], ray_start: Int[Tensor, " rays_plus_one"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """As the public function, from thickness = densities * deltas."""
    return _Composite.apply(thickness, ray_start)


def accumulate(
    weights: Float[Tensor, " n"], values: Float[Tensor, "n channels"], ray_index: Int[Tensor, " n"], n_rays: int
) -> Float[Tensor, "rays channels"]:
    """As the public function."""
    return _Accumulate.apply(weights, values, ray_index, n_rays)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, thickness: Tensor, ray_start: Tensor) -> tuple[Tensor, Tensor]:
        weights, transmittance = thickness.new_empty(thickness.shape), thickness.new_empty(thickness.shape)
        launch(_composite, (len(ray_start) - 1,), thickness, ray_start, weights, transmittance, BLOCK=_BLOCK)
        ctx.save_for_backward(ray_start, weights, transmittance)
        return weights, transmittance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_weights: Tensor, to_transmittance: Tensor) -> tuple[Tensor, None]:
        ray_start, weights, transmittance = ctx.saved_tensors
        to_thickness = weights.new_empty(weights.shape)
        arguments = (ray_start, weights, transmittance, to_weights, to_transmittance, to_thickness)
        launch(_composite_backward, (len(ray_start) - 1,), *arguments, BLOCK=_BLOCK)
        return to_thickness, None


class _Accumulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, values: Tensor, ray_index: Tensor, n_rays: int) -> Tensor:
        ctx.save_for_backward(weights, values, ray_index)
        ray_start = torch.searchsorted(ray_index, torch.arange(n_rays + 1, device=ray_index.device))
        channels = values.shape[1]
        sums = values.new_empty(n_rays, channels)
        width = min(power_of_two(channels), _MOST_CHANNELS)
        programs = (n_rays, blocks(channels, width))
        launch(_accumulate, programs, weights, values, ray_start, sums, channels, BLOCK=_BLOCK, WIDTH=width)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, values, ray_index = ctx.saved_tensors
        samples, channels = values.shape
        to_weights, to_values = weights.new_empty(samples), values.new_empty(samples, channels)
        sizes = {"BLOCK": _BLOCK, "WIDTH": min(power_of_two(channels), _MOST_CHANNELS)}
        arguments = (weights, values, ray_index, grad, to_weights, to_values, samples, channels)
        launch(_accumulate_backward, (blocks(samples, _BLOCK),), *arguments, **sizes)
        return to_weights, to_values, None, None


@triton.jit
def _composite(thickness, ray_start, weights, transmittance, BLOCK: tl.constexpr):
    ray = tl.program_id(0)
    begin, end = tl.load(ray_start + ray), tl.load(ray_start + ray + 1)
    before = tl.zeros([1], thickness.dtype.element_ty)  # thickness in front of the block
    for first in range(begin, end, BLOCK):
        i = first + tl.arange(0, BLOCK)
        tau = tl.load(thickness + i, mask=i < end, other=0.0)
        # The scan runs over the samples in front: subtracting the sample's own thickness would lose an infinite one.
        in_front = tl.load(thickness + i - 1, mask=(i > begin) & (i < end), other=0.0)
        through = tl.exp(-(before + tl.cumsum(in_front, axis=0)))
        # 1 - exp(-tau) keeps no digits of a small tau: there t (1 - t/2 (1 - t/3 (...))), to the last bit of a double.
        small, series = tl.minimum(tau, 0.5), tl.zeros_like(tau) + 1.0
        for k in tl.static_range(14):
            series = 1.0 - small * series * (1.0 / (15 - k))
        alpha = tl.where(tau < 0.5, small * series, 1.0 - tl.exp(-tau))
        tl.store(transmittance + i, through, mask=i < end)
        tl.store(weights + i, through * alpha, mask=i < end)
        before += tl.sum(in_front, axis=0)


@triton.jit
def _composite_backward(
    ray_start, weights, transmittance, to_weights, to_transmittance, to_thickness, BLOCK: tl.constexpr
):
    ray = tl.program_id(0)
    begin, end = tl.load(ray_start + ray), tl.load(ray_start + ray + 1)
    behind = tl.zeros([1], weights.dtype.element_ty)  # sum of a_k w_k + b_k T_k behind the block
    for back in range(0, end - begin, BLOCK):
        i = end - 1 - back - tl.arange(0, BLOCK)  # from the last sample to the first
        here, further = i >= begin, (i >= begin) & (i + 1 < end)
        w, t = tl.load(weights + i, mask=here, other=0.0), tl.load(transmittance + i, mask=here, other=0.0)
        a = tl.load(to_weights + i, mask=here, other=0.0)
        next_w = tl.load(weights + i + 1, mask=further, other=0.0)
        next_t = tl.load(transmittance + i + 1, mask=further, other=0.0)
        next_a = tl.load(to_weights + i + 1, mask=further, other=0.0)
        next_b = tl.load(to_transmittance + i + 1, mask=further, other=0.0)
        worth = next_a * next_w + next_b * next_t
        tl.store(to_thickness + i, a * (t - w) - (behind + tl.cumsum(worth, axis=0)), mask=here)
        behind += tl.sum(worth, axis=0)


@triton.jit
def _accumulate(weights, values, ray_start, sums, channels, BLOCK: tl.constexpr, WIDTH: tl.constexpr):
    ray = tl.program_id(0)
    begin, end = tl.load(ray_start + ray), tl.load(ray_start + ray + 1)
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    total = tl.zeros([WIDTH], weights.dtype.element_ty)
    for first in range(begin, end, BLOCK):
        i = first + tl.arange(0, BLOCK)
        w = tl.load(weights + i, mask=i < end, other=0.0)
        valid = (i < end)[:, None] & (channel < channels)[None, :]
        v = tl.load(values + i[:, None] * channels + channel[None, :], mask=valid, other=0.0)
        total += tl.sum(w[:, None] * v, axis=0)
    tl.store(sums + ray.to(tl.int64) * channels + channel, total, mask=channel < channels)


@triton.jit
def _accumulate_backward(
    weights, values, ray_index, grad, to_weights, to_values, samples, channels,
    BLOCK: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    w = tl.load(weights + i, mask=i < samples, other=0.0)
    ray = tl.load(ray_index + i, mask=i < samples, other=0)
    total = tl.zeros([BLOCK], weights.dtype.element_ty)
    for first in range(0, channels, WIDTH):
        channel = first + tl.arange(0, WIDTH)
        valid = (i < samples)[:, None] & (channel < channels)[None, :]
        place = i[:, None] * channels + channel[None, :]
        upstream = tl.load(grad + ray[:, None] * channels + channel[None, :], mask=valid, other=0.0)
        total += tl.sum(upstream * tl.load(values + place, mask=valid, other=0.0), axis=1)
        tl.store(to_values + place, upstream * w[:, None], mask=valid)
    tl.store(to_weights + i, total, mask=i < samples)

"""Compositing for CPUs: one pass along each ray forward, one pass back, rays in parallel.

For upstream gradients a of the weights and b of the transmittances, thickness tau_i moves its own weight by
d w_i / d tau_i = T_i exp(-tau_i) = T_i - w_i, and dims all that lies behind it, d w_k / d tau_i = -w_k and
d T_k / d tau_i = -T_k:

    d tau_i = a_i (T_i - w_i) - sum over k > i of (a_k w_k + b_k T_k)

With W, S the sums of w and w t in front of sample i, and W', S' those behind it, distortion changes by
2 (t_i (W - W') - (S - S')) + 2/3 w_i delta_i for a change of w_i.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.numba_support import kernel, launch


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


def distortion(
    weights: Float[Tensor, " n"],
    t: Float[Tensor, " n"],
    deltas: Float[Tensor, " n"],
    ray_start: Int[Tensor, " rays_plus_one"],
) -> Float[Tensor, " rays"]:
    """As the public function."""
    return _Distortion.apply(weights, t, deltas, ray_start)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, thickness: Tensor, ray_start: Tensor) -> tuple[Tensor, Tensor]:
        weights, transmittance = thickness.new_empty(thickness.shape), thickness.new_empty(thickness.shape)
        launch(_composite, thickness, ray_start, weights, transmittance)
        ctx.save_for_backward(ray_start, weights, transmittance)
        return weights, transmittance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_weights: Tensor, to_transmittance: Tensor) -> tuple[Tensor, None]:
        ray_start, weights, transmittance = ctx.saved_tensors
        to_thickness = weights.new_empty(weights.shape)
        launch(_composite_backward, ray_start, weights, transmittance, to_weights, to_transmittance, to_thickness)
        return to_thickness, None


class _Accumulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, values: Tensor, ray_index: Tensor, n_rays: int) -> Tensor:
        ctx.save_for_backward(weights, values, ray_index)
        ray_start = torch.searchsorted(ray_index, torch.arange(n_rays + 1))
        sums = values.new_empty(n_rays, values.shape[1])
        launch(_accumulate, weights, values, ray_start, sums)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, values, ray_index = ctx.saved_tensors
        to_weights, to_values = weights.new_empty(weights.shape), values.new_empty(values.shape)
        launch(_accumulate_backward, weights, values, ray_index, grad, to_weights, to_values)
        return to_weights, to_values, None, None


class _Distortion(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, t: Tensor, deltas: Tensor, ray_start: Tensor) -> Tensor:
        ctx.save_for_backward(weights, t, deltas, ray_start)
        sums = weights.new_empty(len(ray_start) - 1)
        launch(_distortion, weights, t, deltas, ray_start, sums)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, t, deltas, ray_start = ctx.saved_tensors
        to_weights = weights.new_empty(weights.shape)
        launch(_distortion_backward, weights, t, deltas, ray_start, grad, to_weights)
        return to_weights, None, None, None


@kernel
def _composite(thickness, ray_start, weights, transmittance):
    one = thickness.dtype.type(1)
    for ray in numba.prange(len(ray_start) - 1):
        through = one
        for i in range(ray_start[ray], ray_start[ray + 1]):
            alpha = -np.expm1(-thickness[i])
            transmittance[i] = through
            weights[i] = through * alpha
            through *= one - alpha


@kernel
def _composite_backward(ray_start, weights, transmittance, to_weights, to_transmittance, to_thickness):
    zero = weights.dtype.type(0)
    for ray in numba.prange(len(ray_start) - 1):
        behind = zero
        for i in range(ray_start[ray + 1] - 1, ray_start[ray] - 1, -1):
            to_thickness[i] = to_weights[i] * (transmittance[i] - weights[i]) - behind
            behind += to_weights[i] * weights[i] + to_transmittance[i] * transmittance[i]


@kernel
def _accumulate(weights, values, ray_start, sums):
    for ray in numba.prange(len(ray_start) - 1):
        sums[ray] = 0
        for i in range(ray_start[ray], ray_start[ray + 1]):
            for channel in range(values.shape[1]):
                sums[ray, channel] += weights[i] * values[i, channel]


@kernel
def _accumulate_backward(weights, values, ray_index, grad, to_weights, to_values):
    for i in numba.prange(len(weights)):
        total = weights[i] - weights[i]
        for channel in range(values.shape[1]):
            upstream = grad[ray_index[i], channel]
            total += upstream * values[i, channel]
            to_values[i, channel] = upstream * weights[i]
        to_weights[i] = total


@kernel
def _distortion(weights, t, deltas, ray_start, sums):
    zero, two, three = weights.dtype.type(0), weights.dtype.type(2), weights.dtype.type(3)
    for ray in numba.prange(len(ray_start) - 1):
        mass, moment, total = zero, zero, zero
        for i in range(ray_start[ray], ray_start[ray + 1]):
            w = weights[i]
            total += two * w * (t[i] * mass - moment) + w * w * deltas[i] / three
            mass += w
            moment += w * t[i]
        sums[ray] = total


@kernel
def _distortion_backward(weights, t, deltas, ray_start, grad, to_weights):
    zero, two, three = weights.dtype.type(0), weights.dtype.type(2), weights.dtype.type(3)
    for ray in numba.prange(len(ray_start) - 1):
        mass, moment = zero, zero  # in front less behind
        for i in range(ray_start[ray], ray_start[ray + 1]):
            mass -= weights[i]
            moment -= weights[i] * t[i]
        for i in range(ray_start[ray], ray_start[ray + 1]):
            w = weights[i]
            mass += w
            moment += w * t[i]
            to_weights[i] = grad[ray] * two * (t[i] * mass - moment + w * deltas[i] / three)
            mass += w
            moment += w * t[i]

"""Splatting for CUDA: triton kernels composite; projection and the lists of tiles are torch operations."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.splatting import triton_loops
from maquette.kernels.splatting.reference import project
from maquette.kernels.splatting.results import Projected
from maquette.kernels.splatting.triton_tiles import Tiles, tile
from maquette.kernels.triton_support import launch, power_of_two

__all__ = ["composite", "project"]

_WARPS = 8  # so many that the backward pass of Gaussians keeps all it needs in registers, by ptxas for sm_80


def composite(
    projected: Projected, opacities: Float[Tensor, " n"], features: Float[Tensor, "n k"]
) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
    """As the reference's."""
    shapes = projected.conics if projected.transforms is None else projected.transforms
    return _Composite.apply(projected.means, shapes, opacities, features, tile(projected, opacities))


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, means: Tensor, shapes: Tensor, opacities: Tensor, features: Tensor, tiles: Tiles
    ) -> tuple[Tensor, Tensor]:
        image = features.new_empty(tiles.height, tiles.width, features.shape[1])
        opacity, transmittance = features.new_empty(2, tiles.height, tiles.width).unbind(0)
        last = torch.empty(tiles.height, tiles.width, dtype=torch.int32, device=features.device)
        gaussians = (means, shapes, opacities, features, tiles.start, tiles.entries)
        results = (image, opacity, transmittance, last)
        sizes = (tiles.across, tiles.height, tiles.width)
        constants = {"LANES": power_of_two(features.shape[1]), **_constants(shapes, features)}
        launch(triton_loops.composite, (len(tiles.start) - 1,), *gaussians, *sizes, *results, **constants)
        ctx.save_for_backward(means, shapes, opacities, features, transmittance, last)
        ctx.tiles = tiles
        return image, opacity

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_image: Tensor, to_opacity: Tensor) -> tuple[Tensor | None, ...]:
        means, shapes, opacities, features, transmittance, last = ctx.saved_tensors
        tiles = ctx.tiles
        sides, channels = shapes.shape[1:].numel(), features.shape[1]
        to_slots = means.new_zeros(len(tiles.entries), 3 + sides + channels)
        gaussians = (means, shapes, opacities, features, tiles.start, tiles.entries, tiles.slots)
        sizes = (tiles.across, tiles.height, tiles.width)
        upstream = (transmittance, last, to_image, to_opacity)
        kind = {"CHANNELS": channels, "DISKS": shapes.ndim == 3}
        programs = (len(tiles.start) - 1,)
        launch(
            triton_loops.composite_backward, programs, *gaussians, *sizes, *upstream, to_slots, num_warps=_WARPS, **kind
        )
        rows = means.new_zeros(len(means), to_slots.shape[1])
        if len(tiles.entries):
            rows[tiles.order] = torch.segment_reduce(to_slots, "sum", lengths=tiles.counts, unsafe=True)
        to_means, to_shapes, to_opacities, to_features = rows.split([2, sides, 1, channels], dim=1)
        return to_means, to_shapes.reshape(shapes.shape), to_opacities.squeeze(-1), to_features, None


def _constants(shapes: Tensor, features: Tensor) -> dict[str, int | bool]:
    return {"CHANNELS": features.shape[1], "DISKS": shapes.ndim == 3, "num_warps": _WARPS}

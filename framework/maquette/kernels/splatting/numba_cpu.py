"""Splatting for CPUs: the autograd functions around compiled loops, which stand in the numba_*.py files beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.counting import blocks
from maquette.kernels.numba_support import launch, threads
from maquette.kernels.splatting import numba_loops, numba_projection, numba_tiles
from maquette.kernels.splatting.results import (
    GUARD,
    LEAST_ALPHA,
    LEAST_TRANSMITTANCE,
    LOW_PASS,
    MOST_ALPHA,
    OPAQUE_DEVIATIONS,
    RADIUS,
    TILE,
    Projected,
)

_FILTERS = tuple(np.float32(number) for number in (LOW_PASS, OPAQUE_DEVIATIONS, RADIUS))
_CUTS = tuple(np.float32(number) for number in (LEAST_ALPHA, MOST_ALPHA, LEAST_TRANSMITTANCE))


def project(
    means: Float[Tensor, "n 3"],
    quaternions: Float[Tensor, "n 4"],
    scales: Float[Tensor, "n 3"],
    rotation: Float[Tensor, "3 3"],
    position: Float[Tensor, " xyz"],
    focal: float,
    height: int,
    width: int,
    near: float,
) -> Projected:
    """As the reference's."""
    limits = (GUARD * width / (2 * focal), GUARD * height / (2 * focal))
    camera = tuple(np.float32(number) for number in (focal, width, height, near, *limits))
    rows = _Project.apply(means, quaternions, scales, rotation, position, camera)
    screen, depths, conics, compensation, deviations, radii, visible = rows
    return Projected(screen, depths, conics, compensation, deviations, radii, visible, height, width)


def composite(
    projected: Projected, opacities: Float[Tensor, " n"], features: Float[Tensor, "n k"]
) -> tuple[Float[Tensor, "h w k"], Float[Tensor, "h w"]]:
    """As the reference's."""
    shapes = projected.conics if projected.transforms is None else projected.transforms
    return _Composite.apply(projected.means, shapes, opacities, features, _tile(projected, opacities))


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        quaternions: Tensor,
        scales: Tensor,
        rotation: Tensor,
        position: Tensor,
        camera: tuple[np.float32, ...],
    ) -> tuple[Tensor, ...]:
        n = len(means)
        screen, depths, conics = means.new_empty(n, 2), means.new_empty(n), means.new_empty(n, 3)
        compensation, deviations, radii = means.new_empty(n), means.new_empty(n, 2), means.new_empty(n)
        visible = torch.empty(n, dtype=torch.bool)
        results = (screen, depths, conics, compensation, deviations, radii, visible)
        arguments = (means, quaternions, scales, rotation, position, camera, _FILTERS)
        launch(numba_projection.project, *arguments, *results)
        ctx.save_for_backward(means, quaternions, scales, rotation, position, visible)
        ctx.camera = camera
        ctx.mark_non_differentiable(deviations, radii, visible)
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        means, quaternions, scales, rotation, position, visible = ctx.saved_tensors
        to_inputs = tuple(_room_for(tensor) for tensor in (means, quaternions, scales))
        arguments = (means, quaternions, scales, rotation, position, ctx.camera, _FILTERS, visible)
        launch(numba_projection.project_backward, *arguments, *upstream[:4], *to_inputs)
        return (*to_inputs, None, None, None)


def _room_for(tensor: Tensor) -> Tensor:
    """For a gradient; contiguous even where the tensor is not, as a kernel writes into a copy of anything else."""
    return tensor.new_empty(tensor.shape)


@dataclass(frozen=True)
class _Tiles:
    """Who meets which tile; words as in `numba_tiles.py`."""

    boxes: Int[Tensor, "n 4"]
    tile_start: Int[Tensor, " tiles_plus_one"]
    entries: Int[Tensor, " e"]
    slots: Int[Tensor, " e"]
    first_slot: Int[Tensor, " n_plus_one"]
    across: int
    height: int
    width: int


@torch.no_grad()
def _tile(projected: Projected, opacities: Tensor) -> _Tiles:
    n, height, width = len(projected), projected.height, projected.width
    boxes, counts = torch.empty(n, 4, dtype=torch.int32), torch.empty(n, dtype=torch.int64)
    footprint = (projected.means, projected.deviations, opacities, projected.visible)
    launch(numba_tiles.box, *footprint, width, height, _CUTS[0], boxes, counts)
    first_slot = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    order = counts.nonzero().squeeze(-1)
    # The bits of positive floats are in the order of the floats, and integers sort ten times as fast.
    order = order[torch.argsort(projected.depths.view(torch.int32)[order], stable=True)]
    across, down = blocks(width, TILE), blocks(height, TILE)
    runs = threads()
    per_run = torch.empty(runs, across * down, dtype=torch.int64)
    launch(numba_tiles.count, order, boxes, across, runs, per_run)
    ends = per_run.T.reshape(-1).cumsum(0)  # tile by tile, within a tile run by run: the order of depth
    cursors = (ends.reshape(-1, runs).T - per_run).contiguous()
    total = int(first_slot[-1])
    tile_start = torch.cat([cursors[0], first_slot[-1:]])
    entries, slots = torch.empty(total, dtype=torch.int32), torch.empty(total, dtype=torch.int64)
    launch(numba_tiles.fill, order, boxes, first_slot, across, runs, cursors, entries, slots)
    return _Tiles(boxes, tile_start, entries, slots, first_slot, across, height, width)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, means: Tensor, shapes: Tensor, opacities: Tensor, features: Tensor, tiles: _Tiles
    ) -> tuple[Tensor, Tensor]:
        image = features.new_empty(tiles.height, tiles.width, features.shape[1])
        opacity, transmittance = features.new_empty(2, tiles.height, tiles.width).unbind(0)
        last = torch.empty(tiles.height, tiles.width, dtype=torch.int32)
        gaussians = (means, shapes, opacities, features, tiles.boxes, tiles.tile_start, tiles.entries)
        results = (image, opacity, transmittance, last)
        launch(numba_loops.composite, *gaussians, tiles.across, _CUTS, threads(), *results)
        ctx.save_for_backward(means, shapes, opacities, features, transmittance, last)
        ctx.tiles = tiles
        return image, opacity

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_image: Tensor, to_opacity: Tensor) -> tuple[Tensor | None, ...]:
        means, shapes, opacities, features, transmittance, last = ctx.saved_tensors
        tiles = ctx.tiles
        # Zeros from numpy are pages untouched until written: entries behind all ended pixels cost no memory.
        to_slots = np.zeros((len(tiles.entries), 3 + shapes.shape[1:].numel() + features.shape[1]), np.float32)
        gaussians = (means, shapes, opacities, features, tiles.boxes, tiles.tile_start, tiles.entries, tiles.slots)
        settings = (tiles.across, _CUTS, threads())
        launch(
            numba_loops.composite_backward, *gaussians, *settings, transmittance, last, to_image, to_opacity, to_slots
        )
        to_inputs = tuple(_room_for(tensor) for tensor in (means, shapes, opacities, features))
        to_means, to_shapes, to_opacities, to_features = to_inputs
        rows = (to_means, to_shapes.flatten(1), to_opacities, to_features)
        launch(numba_tiles.gather, to_slots, tiles.first_slot, *rows)
        return (*to_inputs, None)

"""For CPUs: Gaussians are listed by the cells of a coarse grid that their boxes touch; a point asks its own cell."""

from __future__ import annotations

import numba
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.gaussian_field.reference import REACH_SQUARED
from maquette.kernels.numba_support import cached, helper, kernel, launch

CELLS = 48  # along each side


def evaluate(
    points: Float[Tensor, "m 3"],
    means: Float[Tensor, "n 3"],
    whiten: Float[Tensor, "n 3 3"],
    extents: Float[Tensor, "n 3"],
    opacities: Float[Tensor, " n"],
    values: Float[Tensor, "n channels"],
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m channels"]]:
    """As the reference's."""
    density, mean = points.new_zeros(len(points)), points.new_zeros(len(points), values.shape[1])
    if not len(means) or not len(points):
        return density, mean
    low, high = (means - extents).amin(0), (means + extents).amax(0)
    cell = ((high - low) / CELLS).clamp(min=1e-9)
    first = ((means - extents - low) / cell).floor().int().clamp(0, CELLS - 1)
    last = ((means + extents - low) / cell).floor().int().clamp(0, CELLS - 1)
    counts = torch.zeros(CELLS**3 + 1, dtype=torch.int64)
    launch(_count, first, last, counts)
    starts = counts.cumsum(0)
    listed = torch.empty(int(starts[-1]), dtype=torch.int32)
    launch(_list, first, last, starts[:-1].clone(), listed)
    launch(
        _evaluate, points, low, cell, starts, listed, means, whiten, opacities, values, np.float32(REACH_SQUARED),
        density, mean,
    )  # fmt: skip
    return density, mean


@helper
def _cell_index(x, y, z):
    return (x * CELLS + y) * CELLS + z


@cached()
def _count(first, last, counts):
    for i in range(len(first)):
        for x in range(first[i, 0], last[i, 0] + 1):
            for y in range(first[i, 1], last[i, 1] + 1):
                for z in range(first[i, 2], last[i, 2] + 1):
                    counts[_cell_index(x, y, z) + 1] += 1


@cached()
def _list(first, last, place, listed):
    for i in range(len(first)):
        for x in range(first[i, 0], last[i, 0] + 1):
            for y in range(first[i, 1], last[i, 1] + 1):
                for z in range(first[i, 2], last[i, 2] + 1):
                    cell = _cell_index(x, y, z)
                    listed[place[cell]] = i
                    place[cell] += 1


@kernel
def _evaluate(points, low, cell, starts, listed, means, whiten, opacities, values, reach_squared, density, mean):
    for p in numba.prange(len(points)):
        index = 0
        inside = True
        for axis in range(3):
            place = int(np.floor((points[p, axis] - low[axis]) / cell[axis]))
            inside &= place >= 0 and place <= CELLS
            index = index * CELLS + min(max(place, 0), CELLS - 1)
        if not inside:
            continue
        total = np.float32(0)
        for k in range(starts[index], starts[index + 1]):
            i = listed[k]
            dx, dy, dz = points[p, 0] - means[i, 0], points[p, 1] - means[i, 1], points[p, 2] - means[i, 2]
            squared = np.float32(0)
            for axis in range(3):
                local = whiten[i, axis, 0] * dx + whiten[i, axis, 1] * dy + whiten[i, axis, 2] * dz
                squared += local * local
            if squared > reach_squared:
                continue
            weight = opacities[i] * np.exp(np.float32(-0.5) * squared)
            total += weight
            for channel in range(values.shape[1]):
                mean[p, channel] += weight * values[i, channel]
        density[p] = total
        if total > 0:
            for channel in range(values.shape[1]):
                mean[p, channel] /= total

"""The compiled loops around compositing: which Gaussians meet which tile, and what each gets back from its tiles.

A tile is 16 x 16 pixels. An *entry* is one Gaussian in one tile. `entries` and `slots`, listed tile by tile in the
order of depth, hold the Gaussian and the *slot* of each; slots number the entries Gaussian by Gaussian. The backward
pass writes each entry's gradients into its slot, and a Gaussian's gradient is the sum of its slots in their order. So
no sum depends on the number of threads, and no two threads write to one place.
"""

from __future__ import annotations

import numba
import numpy as np

from maquette.kernels.numba_support import helper, kernel

_SHIFT = 4  # log2 of the side of a tile
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)


@kernel
def box(means, deviations, opacities, visible, width, height, least_alpha, boxes, counts):
    """Pixels [left, top, right, bottom) at which a Gaussian may be above the cut, and how many tiles they touch."""
    for i in numba.prange(len(means)):
        counts[i] = 0
        if not (visible[i] and opacities[i] >= least_alpha):
            continue
        # A hair more than o exp(-r^2 / 2) = 1/255: rounding must not lose a pixel that the test of alpha would keep.
        reach = np.sqrt(_TWO * np.log(opacities[i] / least_alpha)) * np.float32(1.001) + np.float32(1e-3)
        for axis in range(2):
            size = np.float32(height) if axis else np.float32(width)
            low = means[i, axis] - reach * deviations[i, axis] - _HALF
            high = means[i, axis] + reach * deviations[i, axis] - _HALF
            boxes[i, axis] = np.int32(min(max(np.ceil(low), _ZERO), size))
            boxes[i, axis + 2] = np.int32(min(max(np.floor(high) + _ONE, _ZERO), size))
        if boxes[i, 0] < boxes[i, 2] and boxes[i, 1] < boxes[i, 3]:
            left, top, right, bottom = _tiles(boxes, i)
            counts[i] = (right - left) * (bottom - top)


@helper
def _tiles(boxes, i):
    return (
        boxes[i, 0] >> _SHIFT,
        boxes[i, 1] >> _SHIFT,
        ((boxes[i, 2] - 1) >> _SHIFT) + 1,
        ((boxes[i, 3] - 1) >> _SHIFT) + 1,
    )


@kernel
def count(order, boxes, tiles_x, runs, counts):
    """Entries that each run of the Gaussians in `order` has in each tile; runs x tiles."""
    for run in numba.prange(runs):
        counts[run] = 0
        for k in range(run * len(order) // runs, (run + 1) * len(order) // runs):
            left, top, right, bottom = _tiles(boxes, order[k])
            for row in range(top, bottom):
                for column in range(left, right):
                    counts[run, row * tiles_x + column] += 1


@kernel
def fill(order, boxes, first_slot, tiles_x, runs, cursors, entries, slots):
    """The entries; `cursors`, runs x tiles, hold where each run's entries of each tile begin, and are moved on."""
    for run in numba.prange(runs):
        for k in range(run * len(order) // runs, (run + 1) * len(order) // runs):
            gaussian = order[k]
            slot = first_slot[gaussian]
            left, top, right, bottom = _tiles(boxes, gaussian)
            for row in range(top, bottom):
                for column in range(left, right):
                    place = cursors[run, row * tiles_x + column]
                    entries[place], slots[place] = gaussian, slot
                    cursors[run, row * tiles_x + column] = place + 1
                    slot += 1


@kernel
def gather(to_slots, first_slot, to_means, to_shapes, to_opacities, to_features):
    """Sum of each Gaussian's slots."""
    sides, channels = to_shapes.shape[1], to_features.shape[1]
    for i in numba.prange(len(to_means)):
        to_means[i] = 0
        to_shapes[i] = 0
        to_opacities[i] = 0
        to_features[i] = 0
        for slot in range(first_slot[i], first_slot[i + 1]):
            for axis in range(2):
                to_means[i, axis] += to_slots[slot, axis]
            for k in range(sides):
                to_shapes[i, k] += to_slots[slot, 2 + k]
            to_opacities[i] += to_slots[slot, 2 + sides]
            for k in range(channels):
                to_features[i, k] += to_slots[slot, 3 + sides + k]

"""The compiled loops of the selection layer: it, and its gradients to the image and to the probabilities.

A row of the image is copied with its edges repeated on both sides, so that the loops over columns have no clamp and are
vector instructions. Rows are independent of each other, hence parallel, and no sum depends on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from maquette.kernels.numba_support import helper, kernel


@helper
def _margin(offsets):
    """Columns to repeat on each side."""
    margin = 1
    for offset in offsets:
        margin = max(margin, abs(offset) + 1)
    return margin


@helper
def _extend(row, margin, extended):
    """A row with `margin` copies of its ends before and behind it."""
    width = len(row)
    for x in range(margin):
        extended[x] = row[0]
        extended[margin + width + x] = row[width - 1]
    for x in range(width):
        extended[margin + x] = row[x]


@helper
def _resize_row(channel, y, height, width, row):
    """Row `y` of a channel [h, w] that is interpolated to `height` x `width`."""
    h, w = channel.shape
    if h == height and w == width:
        for x in range(width):
            row[x] = channel[y, x]
        return
    place = min(max((y + 0.5) * h / height - 0.5, 0.0), h - 1.0)
    above = int(place)
    below, down = min(above + 1, h - 1), row.dtype.type(place - above)
    step = w / width
    for x in range(width):
        across = min(max((x + 0.5) * step - 0.5, 0.0), w - 1.0)
        left = int(across)
        right, rest = min(left + 1, w - 1), row.dtype.type(across - left)
        first = channel[above, left] + (channel[below, left] - channel[above, left]) * down
        second = channel[above, right] + (channel[below, right] - channel[above, right]) * down
        row[x] = first + (second - first) * rest


@kernel
def select(image, probabilities, offsets, fractions, result):
    """result [b, c, H, W]; probabilities [b, d, h, w] of any size."""
    count, channels, height, width = image.shape
    margin = _margin(offsets)
    for index in numba.prange(count * height):
        b, y = index // height, index % height
        extended = np.empty((channels, width + 2 * margin), image.dtype)
        weights = np.empty(width, image.dtype)
        for c in range(channels):
            _extend(image[b, c, y], margin, extended[c])
            result[b, c, y, :] = 0
        for d in range(len(offsets)):
            _resize_row(probabilities[b, d], y, height, width, weights)
            start, fraction = margin + offsets[d], fractions[d]
            for c in range(channels):
                row, total = extended[c], result[b, c, y]
                for x in range(width):
                    before = row[start + x]
                    total[x] += weights[x] * (before + (row[start + x + 1] - before) * fraction)


@kernel
def correlate(image, grad, offsets, fractions, to_probabilities):
    """The gradient to probabilities of the image's size, from upstream gradients [b, c, H, W]."""
    count, channels, height, width = image.shape
    margin = _margin(offsets)
    for index in numba.prange(count * height):
        b, y = index // height, index % height
        extended = np.empty((channels, width + 2 * margin), image.dtype)
        for c in range(channels):
            _extend(image[b, c, y], margin, extended[c])
        for d in range(len(offsets)):
            start, fraction = margin + offsets[d], fractions[d]
            total = to_probabilities[b, d, y]
            total[:] = 0
            for c in range(channels):
                row, upstream = extended[c], grad[b, c, y]
                for x in range(width):
                    before = row[start + x]
                    total[x] += upstream[x] * (before + (row[start + x + 1] - before) * fraction)


@kernel
def spread(grad, probabilities, offsets, fractions, to_image):
    """The gradient to the image, from upstream gradients [b, c, H, W] and probabilities of that size."""
    count, channels, height, width = grad.shape
    margin = _margin(offsets)
    for index in numba.prange(count * height):
        b, y = index // height, index % height
        extended = np.empty(width + 2 * margin, grad.dtype)
        for c in range(channels):
            extended[:] = 0
            for d in range(len(offsets)):
                start, fraction = margin + offsets[d], fractions[d]
                for x in range(width):
                    weighted = grad[b, c, y, x] * probabilities[b, d, y, x]
                    extended[start + x] += weighted * (1 - fraction)
                    extended[start + x + 1] += weighted * fraction
            total = to_image[b, c, y]
            for x in range(width):
                total[x] = extended[margin + x]
            for x in range(margin):
                total[0] += extended[x]
                total[width - 1] += extended[margin + width + x]

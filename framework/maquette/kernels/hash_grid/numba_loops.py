"""The compiled loops of the hash grid; what each one computes is in `numba_cpu.py`.

Every loop takes the levels as `resolutions` [A, D] (N_l of the active levels along each axis, in the dtype of the
points), `layout` [L, 3 + D] (first row, end row, hash mask, then the stride of each axis; a mask of 0 means dense),
`lanes`, a tuple of length F, and `axes`, one of length D: lengths that the compiler knows, so that loops over features
and axes unroll.

Points are taken a block at a time and turned into one array per axis, [D, B], so that all but the table's gathers and
scatters are vector instructions. Corners are numbered x + 2 y + 4 z + ...; along each axis a corner's weight is
a + b f, with fraction f, and its derivative is b.

Loops that write per point are parallel over runs of points, `run` long; in each run the levels are the outer loop, so
that one level's table stays in the cache. The scatter, whose writes collide, is parallel over levels, each of which one
thread walks in the order of the points. Hence no sum depends on the number of threads.
"""

from __future__ import annotations

import numba
import numpy as np

from maquette.kernels.numba_support import helper, kernel

_BLOCK = 1024  # points whose scratch arrays stay in the cache beside the table


@helper
def _load(points, start, count, axes, block):
    """Columns of a block of points."""
    for i in range(count):
        for axis in range(len(axes)):
            block[axis, i] = points[start + i, axis]


@helper
def _load_features(grad, start, count, column, lanes, block):
    """Columns of one level's upstream gradient."""
    for i in range(count):
        for k in range(len(lanes)):
            block[k, i] = grad[start + i, column + k]


@helper
def _locate(x, count, resolutions, axes, cells, fractions):
    """Cell and fraction of each coordinate; a NaN is sent to the first cell, and stays in the fraction."""
    for axis in range(len(axes)):
        resolution = resolutions[axis]
        zero, last = resolution - resolution, np.int32(resolution) - np.int32(1)
        coordinate, cell, fraction = x[axis], cells[axis], fractions[axis]
        for i in range(count):
            position = coordinate[i] * resolution
            position = zero if position < zero else position
            position = resolution if position > resolution else position
            index = np.int32(position if position >= zero else zero)
            index = last if index > last else index
            cell[i] = np.uint32(index)
            fraction[i] = position - x.dtype.type(index)


@helper
def _scale(x, count, resolutions, axes, scales):
    """d position / d coordinate: N_l, and 0 where the coordinate was clamped."""
    one = x.dtype.type(1)
    for axis in range(len(axes)):
        resolution, coordinate, scale = resolutions[axis], x[axis], scales[axis]
        zero = resolution - resolution
        for i in range(count):
            scale[i] = resolution if zero <= coordinate[i] <= one else zero


@helper
def _rows(cells, count, corner, layout, level, axes, rows):
    """Row of a corner of each cell, counted from the first row of the level."""
    mask = np.uint32(layout[level, 2])
    if mask:
        for i in range(count):
            row = np.uint32(0)
            for axis in range(len(axes)):
                row ^= (cells[axis, i] + np.uint32((corner >> axis) & 1)) * np.uint32(layout[level, 3 + axis])
            rows[i] = row & mask
    else:
        for i in range(count):
            row = np.uint32(0)
            for axis in range(len(axes)):
                row += (cells[axis, i] + np.uint32((corner >> axis) & 1)) * np.uint32(layout[level, 3 + axis])
            rows[i] = row


@helper
def _line(corner, axis, one):
    """(a, b) of a corner's weight a + b f along an axis: 1 - f at the near end, f at the far one."""
    zero = one - one
    return (zero, one) if (corner >> axis) & 1 else (one, -one)


@helper
def _weigh(fractions, count, corner, axes, weights):
    """Interpolation weight of a corner."""
    one = fractions.dtype.type(1)
    for i in range(count):
        weight = one
        for axis in range(len(axes)):
            a, b = _line(corner, axis, one)
            weight *= a + b * fractions[axis, i]
        weights[i] = weight


@helper
def _change(fractions, u, scales, i, corner, axes, left_out, one):
    """Derivative along u of the product of a corner's weights along all axes but `left_out` (-1: none)."""
    total = one - one
    for along in range(len(axes)):
        if along != left_out:
            product = one
            for axis in range(len(axes)):
                if axis != left_out:
                    a, b = _line(corner, axis, one)
                    product *= b * scales[axis, i] * u[axis, i] if axis == along else a + b * fractions[axis, i]
            total += product
    return total


@helper
def _weigh_along(fractions, u, scales, count, corner, axes, weights):
    """Derivative of that weight along u."""
    one = fractions.dtype.type(1)
    for i in range(count):
        weights[i] = _change(fractions, u, scales, i, corner, axes, -1, one)


@helper
def _tilt(fractions, count, corner, axes, products, sums):
    """Add the derivatives of a corner's weight by each position, times `products`."""
    one = fractions.dtype.type(1)
    for i in range(count):
        before = one
        for by in range(len(axes)):
            after = one
            for axis in range(len(axes)):
                if axis > by:
                    a, b = _line(corner, axis, one)
                    after *= a + b * fractions[axis, i]
            a, b = _line(corner, by, one)
            sums[by, i] += before * b * after * products[i]
            before *= a + b * fractions[by, i]


@helper
def _bend(fractions, u, scales, count, corner, axes, products, sums):
    """Add the derivatives by each position of the derivative along u of a corner's weight, times `products`."""
    one = fractions.dtype.type(1)
    for by in range(len(axes)):
        _, b = _line(corner, by, one)
        for i in range(count):
            sums[by, i] += b * _change(fractions, u, scales, i, corner, axes, by, one) * products[i]


@helper
def _dot(rows, entries, g, count, lanes, products):
    """<table[row], g> of a corner."""
    features = np.uint64(len(lanes))
    products[:count] = 0
    for k in range(len(lanes)):
        lane = g[k]
        for i in range(count):
            products[i] += entries[np.uint64(rows[i]) * features + np.uint64(k)] * lane[i]


@helper
def _gather(rows, weights, entries, count, lanes, sums):
    features = np.uint64(len(lanes))
    for k in range(len(lanes)):
        total = sums[k]
        for i in range(count):
            total[i] += weights[i] * entries[np.uint64(rows[i]) * features + np.uint64(k)]


@helper
def _add(sums, scales, start, count, axes, to_points):
    """Add one level's derivatives by position, turned into derivatives by coordinate."""
    for i in range(count):
        for axis in range(len(axes)):
            to_points[start + i, axis] += scales[axis, i] * sums[axis, i]


@kernel
def interpolate(points, along, table, resolutions, layout, lanes, axes, run, encoded):
    """W T, or D T where `along` is given, into `encoded`."""
    features, dimensions = len(lanes), len(axes)
    for piece in numba.prange((len(points) + run - 1) // run):
        first, last = piece * run, min((piece + 1) * run, len(points))
        x, fractions = np.empty((dimensions, _BLOCK), points.dtype), np.empty((dimensions, _BLOCK), points.dtype)
        cells, rows = np.empty((dimensions, _BLOCK), np.uint32), np.empty(_BLOCK, np.uint32)
        weights, sums = np.empty(_BLOCK, points.dtype), np.empty((features, _BLOCK), points.dtype)
        u, scales = np.empty((dimensions, _BLOCK), points.dtype), np.empty((dimensions, _BLOCK), points.dtype)
        for level in range(len(resolutions)):
            entries = table[layout[level, 0] : layout[level, 1]].reshape(-1)
            for start in range(first, last, _BLOCK):
                count = min(_BLOCK, last - start)
                _load(points, start, count, axes, x)
                _locate(x, count, resolutions[level], axes, cells, fractions)
                if along is not None:
                    _load(along, start, count, axes, u)
                    _scale(x, count, resolutions[level], axes, scales)
                sums[:, :count] = 0
                for corner in range(1 << dimensions):
                    _rows(cells, count, corner, layout, level, axes, rows)
                    if along is None:
                        _weigh(fractions, count, corner, axes, weights)
                    else:
                        _weigh_along(fractions, u, scales, count, corner, axes, weights)
                    _gather(rows, weights, entries, count, lanes, sums)
                for i in range(count):
                    for k in range(len(lanes)):
                        encoded[start + i, level * features + k] = sums[k, i]
        encoded[first:last, len(resolutions) * features :] = 0


@kernel
def scatter(points, along, grad, resolutions, layout, lanes, axes, threads, to_table):
    """W^T g, or D^T g where `along` is given, into `to_table`."""
    features, dimensions = len(lanes), len(axes)
    for thread in numba.prange(threads):
        x, fractions = np.empty((dimensions, _BLOCK), points.dtype), np.empty((dimensions, _BLOCK), points.dtype)
        cells, rows = np.empty((dimensions, _BLOCK), np.uint32), np.empty(_BLOCK, np.uint32)
        weights, g = np.empty(_BLOCK, points.dtype), np.empty((features, _BLOCK), points.dtype)
        u, scales = np.empty((dimensions, _BLOCK), points.dtype), np.empty((dimensions, _BLOCK), points.dtype)
        # Levels are dealt out in turn, as neighbours cost about the same and fine ones more than coarse ones.
        for level in range(thread, len(layout), threads):
            entries = to_table[layout[level, 0] : layout[level, 1]].reshape(-1)
            entries[:] = 0
            for start in range(0, len(points) if level < len(resolutions) else 0, _BLOCK):
                count = min(_BLOCK, len(points) - start)
                _load(points, start, count, axes, x)
                _load_features(grad, start, count, level * features, lanes, g)
                _locate(x, count, resolutions[level], axes, cells, fractions)
                if along is not None:
                    _load(along, start, count, axes, u)
                    _scale(x, count, resolutions[level], axes, scales)
                for corner in range(1 << dimensions):
                    _rows(cells, count, corner, layout, level, axes, rows)
                    if along is None:
                        _weigh(fractions, count, corner, axes, weights)
                    else:
                        _weigh_along(fractions, u, scales, count, corner, axes, weights)
                    for i in range(count):
                        first = np.uint64(rows[i]) * np.uint64(features)
                        for k in range(len(lanes)):
                            entries[first + np.uint64(k)] += weights[i] * g[k, i]


@kernel
def slope(points, table, grad, resolutions, layout, lanes, axes, run, to_points):
    """grad_x <g, W T> into `to_points`."""
    features, dimensions = len(lanes), len(axes)
    for piece in numba.prange((len(points) + run - 1) // run):
        first, last = piece * run, min((piece + 1) * run, len(points))
        x, fractions = np.empty((dimensions, _BLOCK), points.dtype), np.empty((dimensions, _BLOCK), points.dtype)
        cells, rows = np.empty((dimensions, _BLOCK), np.uint32), np.empty(_BLOCK, np.uint32)
        products, g = np.empty(_BLOCK, points.dtype), np.empty((features, _BLOCK), points.dtype)
        sums, scales = np.empty((dimensions, _BLOCK), points.dtype), np.empty((dimensions, _BLOCK), points.dtype)
        to_points[first:last] = 0
        for level in range(len(resolutions)):
            entries = table[layout[level, 0] : layout[level, 1]].reshape(-1)
            for start in range(first, last, _BLOCK):
                count = min(_BLOCK, last - start)
                _load(points, start, count, axes, x)
                _load_features(grad, start, count, level * features, lanes, g)
                _locate(x, count, resolutions[level], axes, cells, fractions)
                _scale(x, count, resolutions[level], axes, scales)
                sums[:, :count] = 0
                for corner in range(1 << dimensions):
                    _rows(cells, count, corner, layout, level, axes, rows)
                    _dot(rows, entries, g, count, lanes, products)
                    _tilt(fractions, count, corner, axes, products, sums)
                _add(sums, scales, start, count, axes, to_points)


@kernel
def curvature(points, along, table, grad, resolutions, layout, lanes, axes, run, to_points):
    """grad_x <g, D T> into `to_points`: the mixed second derivatives, as a multilinear weight has no pure ones."""
    features, dimensions = len(lanes), len(axes)
    for piece in numba.prange((len(points) + run - 1) // run):
        first, last = piece * run, min((piece + 1) * run, len(points))
        x, fractions = np.empty((dimensions, _BLOCK), points.dtype), np.empty((dimensions, _BLOCK), points.dtype)
        cells, rows = np.empty((dimensions, _BLOCK), np.uint32), np.empty(_BLOCK, np.uint32)
        products, g = np.empty(_BLOCK, points.dtype), np.empty((features, _BLOCK), points.dtype)
        sums, scales = np.empty((dimensions, _BLOCK), points.dtype), np.empty((dimensions, _BLOCK), points.dtype)
        u = np.empty((dimensions, _BLOCK), points.dtype)
        to_points[first:last] = 0
        for level in range(len(resolutions)):
            entries = table[layout[level, 0] : layout[level, 1]].reshape(-1)
            for start in range(first, last, _BLOCK):
                count = min(_BLOCK, last - start)
                _load(points, start, count, axes, x)
                _load(along, start, count, axes, u)
                _load_features(grad, start, count, level * features, lanes, g)
                _locate(x, count, resolutions[level], axes, cells, fractions)
                _scale(x, count, resolutions[level], axes, scales)
                sums[:, :count] = 0
                for corner in range(1 << dimensions):
                    _rows(cells, count, corner, layout, level, axes, rows)
                    _dot(rows, entries, g, count, lanes, products)
                    _bend(fractions, u, scales, count, corner, axes, products, sums)
                _add(sums, scales, start, count, axes, to_points)

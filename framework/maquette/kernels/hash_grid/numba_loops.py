"""The compiled loops of the hash grid; what each one computes is in `numba_cpu.py`.

Every loop takes the levels as `resolutions` [A] (N_l of the active levels, in the dtype of the points), `layout` [L, 5]
(first row, end row, y stride, z stride, hash mask; a mask of 0 means dense) and `lanes`, a tuple of length F: a length
that the compiler knows, so that loops over features unroll.

Points are taken a block at a time and turned into one array per axis, [3, B], so that all but the table's gathers and
scatters are vector instructions. Corners are numbered x + 2 y + 4 z; along each axis a corner's weight is a + b f, with
fraction f, and its derivative is b.

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
def _load(points, start, count, block):
    """Columns of a block of points."""
    for i in range(count):
        block[0, i] = points[start + i, 0]
        block[1, i] = points[start + i, 1]
        block[2, i] = points[start + i, 2]


@helper
def _load_features(grad, start, count, column, lanes, block):
    """Columns of one level's upstream gradient."""
    for i in range(count):
        for k in range(len(lanes)):
            block[k, i] = grad[start + i, column + k]


@helper
def _locate(x, count, resolution, cells, fractions):
    """Cell and fraction of each coordinate; a NaN is sent to the first cell, and stays in the fraction."""
    zero, last = resolution - resolution, np.int32(resolution) - np.int32(1)
    for axis in range(3):
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
def _scale(x, count, resolution, scales):
    """d position / d coordinate: N_l, and 0 where the coordinate was clamped."""
    zero, one = resolution - resolution, x.dtype.type(1)
    for axis in range(3):
        coordinate, scale = x[axis], scales[axis]
        for i in range(count):
            scale[i] = resolution if zero <= coordinate[i] <= one else zero


@helper
def _rows(cells, count, corner, layout, level, rows):
    """Row of a corner of each cell, counted from the first row of the level."""
    dx, dy, dz = np.uint32(corner & 1), np.uint32((corner >> 1) & 1), np.uint32(corner >> 2)
    stride_y, stride_z, mask = np.uint32(layout[level, 2]), np.uint32(layout[level, 3]), np.uint32(layout[level, 4])
    x, y, z = cells[0], cells[1], cells[2]
    if mask:
        for i in range(count):
            rows[i] = ((x[i] + dx) ^ ((y[i] + dy) * stride_y) ^ ((z[i] + dz) * stride_z)) & mask
    else:
        for i in range(count):
            rows[i] = (x[i] + dx) + (y[i] + dy) * stride_y + (z[i] + dz) * stride_z


@helper
def _lines(corner, one):
    """(a, b) of a corner's weight a + b f along x, y and z: 1 - f at the near end, f at the far one."""
    zero = one - one
    near, far = (one, -one), (zero, one)
    return far if corner & 1 else near, far if corner & 2 else near, far if corner & 4 else near


@helper
def _weigh(fractions, count, lines, weights):
    """Interpolation weight of a corner."""
    (ax, bx), (ay, by), (az, bz) = lines
    fx, fy, fz = fractions[0], fractions[1], fractions[2]
    for i in range(count):
        weights[i] = (ax + bx * fx[i]) * (ay + by * fy[i]) * (az + bz * fz[i])


@helper
def _weigh_along(fractions, u, scales, count, lines, weights):
    """Derivative of that weight along u."""
    (ax, bx), (ay, by), (az, bz) = lines
    for i in range(count):
        wx, wy, wz = ax + bx * fractions[0, i], ay + by * fractions[1, i], az + bz * fractions[2, i]
        dx, dy, dz = bx * scales[0, i] * u[0, i], by * scales[1, i] * u[1, i], bz * scales[2, i] * u[2, i]
        weights[i] = dx * wy * wz + wx * dy * wz + wx * wy * dz


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
def _add(sums, scales, start, count, to_points):
    """Add one level's derivatives by position, turned into derivatives by coordinate."""
    for i in range(count):
        for axis in range(3):
            to_points[start + i, axis] += scales[axis, i] * sums[axis, i]


@kernel
def interpolate(points, along, table, resolutions, layout, lanes, run, encoded):
    """W T, or D T where `along` is given, into `encoded`."""
    features, one = len(lanes), points.dtype.type(1)
    for piece in numba.prange((len(points) + run - 1) // run):
        first, last = piece * run, min((piece + 1) * run, len(points))
        x, fractions = np.empty((3, _BLOCK), points.dtype), np.empty((3, _BLOCK), points.dtype)
        cells, rows = np.empty((3, _BLOCK), np.uint32), np.empty(_BLOCK, np.uint32)
        weights, sums = np.empty(_BLOCK, points.dtype), np.empty((features, _BLOCK), points.dtype)
        u, scales = np.empty((3, _BLOCK), points.dtype), np.empty((3, _BLOCK), points.dtype)
        for level in range(len(resolutions)):
            entries = table[layout[level, 0] : layout[level, 1]].reshape(-1)
            for start in range(first, last, _BLOCK):
                count = min(_BLOCK, last - start)
                _load(points, start, count, x)
                _locate(x, count, resolutions[level], cells, fractions)
                if along is not None:
                    _load(along, start, count, u)
                    _scale(x, count, resolutions[level], scales)
                sums[:, :count] = 0
                for corner in range(8):
                    _rows(cells, count, corner, layout, level, rows)
                    if along is None:
                        _weigh(fractions, count, _lines(corner, one), weights)
                    else:
                        _weigh_along(fractions, u, scales, count, _lines(corner, one), weights)
                    _gather(rows, weights, entries, count, lanes, sums)
                for i in range(count):
                    for k in range(len(lanes)):
                        encoded[start + i, level * features + k] = sums[k, i]
        encoded[first:last, len(resolutions) * features :] = 0


@kernel
def scatter(points, along, grad, resolutions, layout, lanes, threads, to_table):
    """W^T g, or D^T g where `along` is given, into `to_table`."""
    features, one = len(lanes), points.dtype.type(1)
    for thread in numba.prange(threads):
        x, fractions = np.empty((3, _BLOCK), points.dtype), np.empty((3, _BLOCK), points.dtype)
        cells, rows = np.empty((3, _BLOCK), np.uint32), np.empty(_BLOCK, np.uint32)
        weights, g = np.empty(_BLOCK, points.dtype), np.empty((features, _BLOCK), points.dtype)
        u, scales = np.empty((3, _BLOCK), points.dtype), np.empty((3, _BLOCK), points.dtype)
        # Levels are dealt out in turn, as neighbours cost about the same and fine ones more than coarse ones.
        for level in range(thread, len(layout), threads):
            entries = to_table[layout[level, 0] : layout[level, 1]].reshape(-1)
            entries[:] = 0
            for start in range(0, len(points) if level < len(resolutions) else 0, _BLOCK):
                count = min(_BLOCK, len(points) - start)
                _load(points, start, count, x)
                _load_features(grad, start, count, level * features, lanes, g)
                _locate(x, count, resolutions[level], cells, fractions)
                if along is not None:
                    _load(along, start, count, u)
                    _scale(x, count, resolutions[level], scales)
                for corner in range(8):
                    _rows(cells, count, corner, layout, level, rows)
                    if along is None:
                        _weigh(fractions, count, _lines(corner, one), weights)
                    else:
                        _weigh_along(fractions, u, scales, count, _lines(corner, one), weights)
                    for i in range(count):
                        first = np.uint64(rows[i]) * np.uint64(features)
                        for k in range(len(lanes)):
                            entries[first + np.uint64(k)] += weights[i] * g[k, i]


@kernel
def slope(points, table, grad, resolutions, layout, lanes, run, to_points):
    """grad_x <g, W T> into `to_points`."""
    features, one = len(lanes), points.dtype.type(1)
    for piece in numba.prange((len(points) + run - 1) // run):
        first, last = piece * run, min((piece + 1) * run, len(points))
        x, f = np.empty((3, _BLOCK), points.dtype), np.empty((3, _BLOCK), points.dtype)
        cells, rows = np.empty((3, _BLOCK), np.uint32), np.empty(_BLOCK, np.uint32)
        products, g = np.empty(_BLOCK, points.dtype), np.empty((features, _BLOCK), points.dtype)
        sums, scales = np.empty((3, _BLOCK), points.dtype), np.empty((3, _BLOCK), points.dtype)
        to_points[first:last] = 0
        for level in range(len(resolutions)):
            entries = table[layout[level, 0] : layout[level, 1]].reshape(-1)
            for start in range(first, last, _BLOCK):
                count = min(_BLOCK, last - start)
                _load(points, start, count, x)
                _load_features(grad, start, count, level * features, lanes, g)
                _locate(x, count, resolutions[level], cells, f)
                _scale(x, count, resolutions[level], scales)
                sums[:, :count] = 0
                for corner in range(8):
                    _rows(cells, count, corner, layout, level, rows)
                    _dot(rows, entries, g, count, lanes, products)
                    (ax, bx), (ay, by), (az, bz) = _lines(corner, one)
                    for i in range(count):
                        wx, wy, wz = ax + bx * f[0, i], ay + by * f[1, i], az + bz * f[2, i]
                        sums[0, i] += bx * wy * wz * products[i]
                        sums[1, i] += wx * by * wz * products[i]
                        sums[2, i] += wx * wy * bz * products[i]
                _add(sums, scales, start, count, to_points)


@kernel
def curvature(points, along, table, grad, resolutions, layout, lanes, run, to_points):
    """grad_x <g, D T> into `to_points`: the mixed second derivatives, as a trilinear weight has no pure ones."""
    features, one = len(lanes), points.dtype.type(1)
    for piece in numba.prange((len(points) + run - 1) // run):
        first, last = piece * run, min((piece + 1) * run, len(points))
        x, f = np.empty((3, _BLOCK), points.dtype), np.empty((3, _BLOCK), points.dtype)
        cells, rows = np.empty((3, _BLOCK), np.uint32), np.empty(_BLOCK, np.uint32)
        products, g = np.empty(_BLOCK, points.dtype), np.empty((features, _BLOCK), points.dtype)
        sums, scales = np.empty((3, _BLOCK), points.dtype), np.empty((3, _BLOCK), points.dtype)
        u = np.empty((3, _BLOCK), points.dtype)
        to_points[first:last] = 0
        for level in range(len(resolutions)):
            entries = table[layout[level, 0] : layout[level, 1]].reshape(-1)
            for start in range(first, last, _BLOCK):
                count = min(_BLOCK, last - start)
                _load(points, start, count, x)
                _load(along, start, count, u)
                _load_features(grad, start, count, level * features, lanes, g)
                _locate(x, count, resolutions[level], cells, f)
                _scale(x, count, resolutions[level], scales)
                sums[:, :count] = 0
                for corner in range(8):
                    _rows(cells, count, corner, layout, level, rows)
                    _dot(rows, entries, g, count, lanes, products)
                    (ax, bx), (ay, by), (az, bz) = _lines(corner, one)
                    for i in range(count):
                        wx, wy, wz = ax + bx * f[0, i], ay + by * f[1, i], az + bz * f[2, i]
                        dx = bx * scales[0, i] * u[0, i]
                        dy = by * scales[1, i] * u[1, i]
                        dz = bz * scales[2, i] * u[2, i]
                        sums[0, i] += bx * (dy * wz + wy * dz) * products[i]
                        sums[1, i] += by * (dx * wz + wx * dz) * products[i]
                        sums[2, i] += bz * (dx * wy + wx * dy) * products[i]
                _add(sums, scales, start, count, to_points)

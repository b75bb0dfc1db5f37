"""The compiled loops of compositing, front to back and back to front; words as in `numba_tiles.py`.

Within a tile all arithmetic is on *spans*, whole rows of pixels that a Gaussian touches and that have not ended. The
pixels' numbers lie in one flat scratch array, `state`, 256 to a field; with unit strides and no branches, the compiler
makes vector instructions of the loops over a span. Hence selections, sign flags and float counters where `if` and
integers would come first to mind:

- an ended pixel has a negative transmittance, which passes no further test;
- `last`, one more than the position of the last Gaussian that contributed to a pixel, is a float (exact to 2^24).

The loops are those of Gaussians and of disks at once: `shapes` are conics [n, 3] or transforms [n, 3, 3], and only
shading (o exp(power), before all cuts) and its derivatives differ. The compiler decides each `ndim` where it is asked
for, and so compiles for a cloud of one sort nothing of the other. They stand in one file, as numba's cache asks.
"""

from __future__ import annotations

import numba
import numpy as np

from maquette.kernels.numba_support import helper, kernel

_SIDE = 16
_PIXELS = _SIDE * _SIDE
_CHECK = 8  # Gaussians between two looks at which rows have ended
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_ALONG = np.float32(1e6)  # places on a disk are nearer than this, or the ray runs along the disk

# Where the fields of `state` begin. U and V: place of the pixel's centre in the tile; FULL: o exp(power); A, B, DEPTH:
# where a ray meets a disk; INVERSE: 1 / third of (A, B, 1) before division, 0 where the low-pass is seen; BEHIND: b;
# WORTH: s; PUSH: gradient of the power; TOTAL: opacity or its gradient. One field per feature follows: its sum, or the
# gradient of its sum. All up to INVERSE outlast a tile.
_U, _V, _FULL, _A, _B, _DEPTH, _INVERSE, _THROUGH, _LATEST, _WEIGHT, _BEHIND, _WORTH, _PUSH, _TOTAL, _FEATURE = (
    np.uint64(k * _PIXELS) for k in range(15)
)
_STEP = np.uint64(_PIXELS)

# exp on [-6, 0] as P(x / 4)^4 with P a polynomial on [-1.5, 0]; what lies below -6 is under the cut for every opacity.
_LEAST_POWER = np.float32(-6)
_QUARTER = np.float32(0.25)
_P0, _P1, _P2, _P3, _P4, _P5, _P6, _P7 = (
    np.float32(c)
    for c in np.polynomial.Chebyshev.interpolate(np.exp, 7, domain=[-1.5, 0])
    .convert(kind=np.polynomial.Polynomial)
    .coef
)


@helper
def _exp(x):
    y = max(x, _LEAST_POWER) * _QUARTER
    e = _P0 + y * (_P1 + y * (_P2 + y * (_P3 + y * (_P4 + y * (_P5 + y * (_P6 + y * _P7))))))
    e *= e
    return e * e


# Sums of floats become vector instructions only where their order is left to the compiler. It is fixed in the compiled
# code, so that they have the same bits on every run.
_reduction = numba.njit(error_model="numpy", boundscheck=False, fastmath={"reassoc", "nsz"})


@helper
def _new_state(channels):
    state = np.zeros(int(_FEATURE) + channels * _PIXELS, np.float32)
    for pixel in range(_PIXELS):
        state[pixel] = np.float32(pixel % _SIDE) + _HALF
        state[_PIXELS + pixel] = np.float32(pixel // _SIDE) + _HALF
    return state


@helper
def _next_span(row, bottom, going, reached):
    """First run of rows in [row, bottom) for which going > reached; its end is its beginning where there is none."""
    while row < bottom and going[row] <= reached:
        row += 1
    end = row
    while end < bottom and going[end] > reached:
        end += 1
    return row, end


@helper
def _count_going(state, going):
    """Pixels of each row that have not ended; their sum."""
    total = 0
    for row in range(_SIDE):
        alive = 0
        for pixel in range(np.uint64(row * _SIDE), np.uint64(row * _SIDE + _SIDE)):
            alive += state[_THROUGH + pixel] > _ZERO
        going[row] = alive
        total += alive
    return total


@helper
def _row(matrix, i):
    return matrix[i, 0], matrix[i, 1], matrix[i, 2]


@helper
def _shade_gaussian(state, first, last, left, top, o, conic):
    a, b, c = conic[0], conic[1], conic[2]
    for at in range(first, last):
        x, y = state[_U + at] + left, state[_V + at] + top
        state[_FULL + at] = o * _exp(-_HALF * (a * x * x + c * y * y) - b * x * y)


@helper
def _shade_disk(state, first, last, left, top, o, transform):
    """The cross product of T_x - x T_z and T_y - y T_z, divided by its third component."""
    (xa, xb, x1), (ya, yb, y1), (za, zb, z1) = _row(transform, 0), _row(transform, 1), _row(transform, 2)
    for at in range(first, last):
        x, y = state[_U + at] + left, state[_V + at] + top
        p0, p1, p2 = xa - x * za, xb - x * zb, x1 - x * z1
        q0, q1, q2 = ya - y * za, yb - y * zb, y1 - y * z1
        k0, k1, k2 = p1 * q2 - p2 * q1, p2 * q0 - p0 * q2, p0 * q1 - p1 * q0
        met = _ALONG * abs(k2) > max(abs(k0), abs(k1))
        inverse = _ONE / (k2 if met else _ONE)
        a, b = k0 * inverse, k1 * inverse
        z, on_disk, on_screen = a * za + b * zb + z1, a * a + b * b, _TWO * (x * x + y * y)
        met = met & (z > _ZERO) & (on_disk <= on_screen)
        state[_A + at] = a if met else _ZERO
        state[_B + at] = b if met else _ZERO
        state[_DEPTH + at] = z if met else z1
        state[_INVERSE + at] = inverse if met else _ZERO
        state[_FULL + at] = o * _exp(-_HALF * (on_disk if met else on_screen))


@helper
def _shade(state, first, last, left, top, o, shape):
    if shape.ndim == 1:
        _shade_gaussian(state, first, last, left, top, o, shape)
    else:
        _shade_disk(state, first, last, left, top, o, shape)


@helper
def _weigh(state, first, last, position, cuts):
    """Weights of a span, its transmittances behind the Gaussian, and how many pixels it contributes to."""
    least_alpha, most_alpha, least_transmittance = cuts
    num_blended = 0
    for at in range(first, last):
        alpha = min(state[_FULL + at], most_alpha)
        t = state[_THROUGH + at]
        after = t * (_ONE - alpha)
        above_cutoff = alpha >= least_alpha
        used = above_cutoff & (after >= least_transmittance)
        state[_WEIGHT + at] = alpha * t if used else _ZERO
        state[_THROUGH + at] = after if used else (-abs(t) if above_cutoff else t)
        state[_LATEST + at] = position if used else state[_LATEST + at]
        num_blended += used
    return num_blended


@helper
def _add(state, first, last, features, i, channels):
    """Weights of a span times opacity's one and the features, onto their sums; `channels` without a disk's depth."""
    for at in range(first, last):
        state[_TOTAL + at] += state[_WEIGHT + at]
    for k in range(channels):
        feature, field = features[i, k], _FEATURE + np.uint64(k) * _STEP
        for at in range(first, last):
            state[field + at] += state[_WEIGHT + at] * feature
    if channels < features.shape[1]:
        field = _FEATURE + np.uint64(channels) * _STEP
        for at in range(first, last):
            state[field + at] += state[_WEIGHT + at] * state[_DEPTH + at]


@kernel
def composite(
    means, shapes, opacities, features, boxes, tile_start, entries, tiles_x, cuts, workers,
    image, opacity, transmittance, last,
):  # fmt: skip
    """Front to back; tiles are dealt to workers in turn, as neighbours are about equally full."""
    channels = features.shape[1]
    constant = channels - (shapes.ndim - 2)  # the last feature is the depth, which varies on a disk
    height, width = opacity.shape
    for worker in numba.prange(workers):
        state, going = _new_state(channels), np.empty(_SIDE, np.int64)
        for tile in range(worker, len(tile_start) - 1, workers):
            left, top = (tile % tiles_x) * _SIDE, (tile // tiles_x) * _SIDE
            rows, columns = min(_SIDE, height - top), min(_SIDE, width - left)
            state[_THROUGH:] = 0
            for row in range(rows):
                state[int(_THROUGH) + row * _SIDE : int(_THROUGH) + row * _SIDE + columns] = 1
            begin = tile_start[tile]
            for place in range(begin, tile_start[tile + 1]):
                if (place - begin) % _CHECK == 0 and _count_going(state, going) == 0:
                    break
                i, position = entries[place], np.float32(place - begin + 1)
                o, x0, y0 = opacities[i], np.float32(left) - means[i, 0], np.float32(top) - means[i, 1]
                bottom = min(boxes[i, 3] - top, rows)
                row, end = _next_span(max(boxes[i, 1] - top, 0), bottom, going, 0)
                while row < end:
                    first, beyond = np.uint64(row * _SIDE), np.uint64(end * _SIDE)
                    _shade(state, first, beyond, x0, y0, o, shapes[i])
                    if _weigh(state, first, beyond, position, cuts):
                        _add(state, first, beyond, features, i, constant)
                    row, end = _next_span(end, bottom, going, 0)
            for row in range(rows):
                for column in range(columns):
                    v, u, at = top + row, left + column, np.uint64(row * _SIDE + column)
                    transmittance[v, u] = abs(state[_THROUGH + at])
                    last[v, u] = np.int32(state[_LATEST + at])
                    opacity[v, u] = state[_TOTAL + at]
                    for k in range(channels):
                        image[v, u, k] = state[_FEATURE + np.uint64(k) * _STEP + at]


@helper
def _value(state, first, last, features, i, channels):
    """s of a span."""
    for at in range(first, last):
        state[_WORTH + at] = state[_TOTAL + at]
    for k in range(channels):
        feature, field = features[i, k], _FEATURE + np.uint64(k) * _STEP
        for at in range(first, last):
            state[_WORTH + at] += state[field + at] * feature
    if channels < features.shape[1]:
        field = _FEATURE + np.uint64(channels) * _STEP
        for at in range(first, last):
            state[_WORTH + at] += state[field + at] * state[_DEPTH + at]


@helper
def _unweigh(state, first, last, position, cuts):
    """Weights and gradients of the power of a span; T and b in front of the Gaussian; pixels it contributed to."""
    least_alpha, most_alpha, _ = cuts
    num_blended = 0
    for at in range(first, last):
        full = state[_FULL + at]
        alpha = min(full, most_alpha)
        active = (alpha >= least_alpha) & (state[_LATEST + at] >= position)
        alpha = alpha if active else _ZERO
        t = state[_THROUGH + at] / (_ONE - alpha)
        difference = state[_WORTH + at] - state[_BEHIND + at]
        state[_WEIGHT + at] = alpha * t
        state[_PUSH + at] = alpha * t * difference if full <= most_alpha else _ZERO
        state[_BEHIND + at] += alpha * difference
        state[_THROUGH + at] = t
        num_blended += active
    return num_blended


@_reduction
def _gaussian_backward(state, first, last, left, top, conic, to_slot):
    """Gradients of mean and conic, from sums of the power's gradient times 1, x, y, x x, x y and y y; the first sum."""
    a, b, c = conic[0], conic[1], conic[2]
    g0 = gx = gy = gxx = gxy = gyy = _ZERO
    for at in range(first, last):
        g, x, y = state[_PUSH + at], state[_U + at] + left, state[_V + at] + top
        g0 += g
        gx += g * x
        gy += g * y
        gxx += g * x * x
        gxy += g * x * y
        gyy += g * y * y
    to_slot[0] += a * gx + b * gy
    to_slot[1] += b * gx + c * gy
    to_slot[2] -= _HALF * gxx
    to_slot[3] -= gxy
    to_slot[4] -= _HALF * gyy
    return g0


@_reduction
def _disk_backward(state, first, last, left, top, transform, to_depth, to_slot):
    """Gradients of mean and transform through the place (a, b) and its depth, or the low-pass; sum of the power's."""
    (xa, xb, x1), (ya, yb, y1), (za, zb, z1) = _row(transform, 0), _row(transform, 1), _row(transform, 2)
    total = gx = gy = px = py = pz = qx = qy = qz = zx = zy = zz = _ZERO
    for at in range(first, last):
        g, x, y = state[_PUSH + at], state[_U + at] + left, state[_V + at] + top
        a, b, inverse = state[_A + at], state[_B + at], state[_INVERSE + at]
        gz = state[_WEIGHT + at] * state[to_depth + at]
        ga, gb = gz * za - a * g, gz * zb - b * g
        k0, k1, k2 = inverse * ga, inverse * gb, -inverse * (a * ga + b * gb)
        p0, p1, p2 = xa - x * za, xb - x * zb, x1 - x * z1
        q0, q1, q2 = ya - y * za, yb - y * zb, y1 - y * z1
        gp0, gp1, gp2 = q1 * k2 - q2 * k1, q2 * k0 - q0 * k2, q0 * k1 - q1 * k0
        gq0, gq1, gq2 = k1 * p2 - k2 * p1, k2 * p0 - k0 * p2, k0 * p1 - k1 * p0
        by_screen = g if inverse == _ZERO else _ZERO
        total += g
        gx += by_screen * x
        gy += by_screen * y
        px += gp0
        py += gp1
        pz += gp2
        qx += gq0
        qy += gq1
        qz += gq2
        zx += gz * a - x * gp0 - y * gq0
        zy += gz * b - x * gp1 - y * gq1
        zz += gz - x * gp2 - y * gq2
    to_slot[0] += _TWO * gx + px * za + py * zb + pz * z1
    to_slot[1] += _TWO * gy + qx * za + qy * zb + qz * z1
    for k, gradient in enumerate((px, py, pz, qx, qy, qz, zx, zy, zz)):
        to_slot[2 + k] += gradient
    return total


@helper
def _shade_backward(state, first, last, left, top, shape, channels, to_slot):
    """Gradients of mean and shape; sum of that of the power."""
    if shape.ndim == 1:
        return _gaussian_backward(state, first, last, left, top, shape, to_slot)
    return _disk_backward(state, first, last, left, top, shape, _FEATURE + np.uint64(channels - 1) * _STEP, to_slot)


@_reduction
def _weighted(state, first, last, field):
    total = _ZERO
    for at in range(first, last):
        total += state[_WEIGHT + at] * state[field + at]
    return total


@kernel
def composite_backward(
    means, shapes, opacities, features, boxes, tile_start, entries, slots, tiles_x, cuts, workers,
    transmittance, last, to_image, to_opacity, to_slots,
):  # fmt: skip
    """Back to front. With s_i = g_opacity + sum over k of g_k f_ik what an entry is worth, and b_i all that is behind,

        d loss / d alpha_i = T_i (s_i - b_i)        b_(i-1) = b_i + alpha_i (s_i - b_i)

    and T_i = T_(i+1) / (1 - alpha_i), from the last entry that contributed to the pixel. `to_slots` comes as zeros.
    """
    channels = features.shape[1]
    constant, sides = channels - (shapes.ndim - 2), to_slots.shape[1] - 3 - channels
    height, width = to_opacity.shape
    for worker in numba.prange(workers):
        state, going = _new_state(channels), np.empty(_SIDE, np.int64)  # of each row: entries to go back through
        for tile in range(worker, len(tile_start) - 1, workers):
            left, top = (tile % tiles_x) * _SIDE, (tile // tiles_x) * _SIDE
            rows, columns = min(_SIDE, height - top), min(_SIDE, width - left)
            state[_THROUGH:] = 0
            going[:] = 0
            for row in range(rows):
                for column in range(columns):
                    v, u, at = top + row, left + column, np.uint64(row * _SIDE + column)
                    state[_THROUGH + at], state[_LATEST + at] = transmittance[v, u], np.float32(last[v, u])
                    state[_TOTAL + at] = to_opacity[v, u]
                    for k in range(channels):
                        state[_FEATURE + np.uint64(k) * _STEP + at] = to_image[v, u, k]
                    going[row] = max(going[row], last[v, u])
            begin = tile_start[tile]
            for reached in range(going.max() - 1, -1, -1):
                i, slot, position = entries[begin + reached], slots[begin + reached], np.float32(reached + 1)
                o, x0, y0 = opacities[i], np.float32(left) - means[i, 0], np.float32(top) - means[i, 1]
                shape, to_slot = shapes[i], to_slots[slot]
                bottom = min(boxes[i, 3] - top, rows)
                row, end = _next_span(max(boxes[i, 1] - top, 0), bottom, going, reached)
                while row < end:
                    first, beyond = np.uint64(row * _SIDE), np.uint64(end * _SIDE)
                    _shade(state, first, beyond, x0, y0, o, shape)
                    _value(state, first, beyond, features, i, constant)
                    if _unweigh(state, first, beyond, position, cuts):
                        to_slot[2 + sides] += (
                            _shade_backward(state, first, beyond, x0, y0, shape, channels, to_slot) / o
                        )
                        for k in range(constant):
                            field = _FEATURE + np.uint64(k) * _STEP
                            to_slot[3 + sides + k] += _weighted(state, first, beyond, field)
                    row, end = _next_span(end, bottom, going, reached)

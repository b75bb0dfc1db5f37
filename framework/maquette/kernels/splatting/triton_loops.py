"""The triton kernels of compositing, front to back and back to front; words as in `triton_tiles.py`.

A program is a tile: 256 pixels, and 16 of the tile's entries at a time, hence blocks [256, 16]. What the loops of
numba do pixel by pixel is here a scan along the entries. As in the reference, a product of (1 - alpha) that has fallen
below the least transmittance stays below, so that comparing each with it is the same as stopping at the first.

The place that a pixel's ray meets on a disk, (a, b, 1), is the cross product k of p = T_x - x T_z and q = T_y - y T_z,
divided by its third component; `met` says where that is what is seen, and not the low-pass.
"""

from __future__ import annotations

import triton
import triton.language as tl

from maquette.kernels.splatting import results

_SIDE = tl.constexpr(results.TILE)
_PIXELS = tl.constexpr(results.TILE**2)
_ENTRIES = tl.constexpr(16)  # taken at once
_LEAST_ALPHA = tl.constexpr(results.LEAST_ALPHA)
_MOST_ALPHA = tl.constexpr(results.MOST_ALPHA)
_LEAST_TRANSMITTANCE = tl.constexpr(results.LEAST_TRANSMITTANCE)
_LOW_PASS = tl.constexpr(results.DISK_LOW_PASS)
_ALONG = tl.constexpr(1e6)  # places on a disk are nearer than this, or the ray runs along the disk


@triton.jit
def _pixels(tile, across, height, width):
    """Row and column of each pixel, and whether it is on the picture."""
    pixel = tl.arange(0, _PIXELS)
    row, column = tile // across * _SIDE + pixel // _SIDE, tile % across * _SIDE + pixel % _SIDE
    return row, column, (row < height) & (column < width)


@triton.jit
def _offsets(means, gaussian, listed, row, column):
    """Pixel centres, counted from the means of the entries."""
    u = tl.load(means + gaussian * 2, mask=listed, other=0.0)
    v = tl.load(means + gaussian * 2 + 1, mask=listed, other=0.0)
    return column[:, None] + 0.5 - u[None, :], row[:, None] + 0.5 - v[None, :]


@triton.jit
def _element(shapes, gaussian, listed, k: tl.constexpr, SIDES: tl.constexpr):
    return tl.load(shapes + gaussian * SIDES + k, mask=listed, other=0.0)[None, :]


@triton.jit
def _gaussian_power(shapes, gaussian, listed, x, y):
    a, b = _element(shapes, gaussian, listed, 0, 3), _element(shapes, gaussian, listed, 1, 3)
    c = _element(shapes, gaussian, listed, 2, 3)
    return -0.5 * (a * x * x + c * y * y) - b * x * y


@triton.jit
def _disk(shapes, gaussian, listed, x, y):
    """Place (a, b) and depth where the ray meets a disk, 1 / third of the place, whether it is met, and the power."""
    xa, xb = _element(shapes, gaussian, listed, 0, 9), _element(shapes, gaussian, listed, 1, 9)
    x1, ya = _element(shapes, gaussian, listed, 2, 9), _element(shapes, gaussian, listed, 3, 9)
    yb, y1 = _element(shapes, gaussian, listed, 4, 9), _element(shapes, gaussian, listed, 5, 9)
    za, zb = _element(shapes, gaussian, listed, 6, 9), _element(shapes, gaussian, listed, 7, 9)
    z1 = _element(shapes, gaussian, listed, 8, 9)
    p0, p1, p2 = xa - x * za, xb - x * zb, x1 - x * z1
    q0, q1, q2 = ya - y * za, yb - y * zb, y1 - y * z1
    k0, k1, k2 = p1 * q2 - p2 * q1, p2 * q0 - p0 * q2, p0 * q1 - p1 * q0
    met = _ALONG * tl.abs(k2) > tl.maximum(tl.abs(k0), tl.abs(k1))
    inverse = 1.0 / tl.where(met, k2, 1.0)
    a, b = k0 * inverse, k1 * inverse
    z, on_disk, on_screen = a * za + b * zb + z1, a * a + b * b, (x * x + y * y) / _LOW_PASS
    met = met & (z > 0.0) & (on_disk <= on_screen)
    return a, b, tl.where(met, z, z1), inverse, met, -0.5 * tl.where(met, on_disk, on_screen)


@triton.jit
def composite(
    means, shapes, opacities, features, start, entries, across, height, width,
    image, opacity, transmittance, last, CHANNELS: tl.constexpr, LANES: tl.constexpr, DISKS: tl.constexpr,
):  # fmt: skip
    """Front to back. `last` is one more than the position of the last entry that contributed to a pixel."""
    tile = tl.program_id(0)
    row, column, inside = _pixels(tile, across, height, width)
    lane = tl.arange(0, LANES)
    total, sums = tl.zeros([_PIXELS], tl.float32), tl.zeros([_PIXELS, LANES], tl.float32)
    through = tl.where(inside, 1.0, 0.0)  # in front of the next entry; below the least one where the pixel has ended
    left, latest = through, tl.zeros([_PIXELS], tl.int32)
    begin, end = tl.load(start + tile), tl.load(start + tile + 1)
    place = begin
    while (place < end) & (tl.max(through, axis=0) >= _LEAST_TRANSMITTANCE):
        entry = place + tl.arange(0, _ENTRIES)
        listed = entry < end
        gaussian = tl.load(entries + entry, mask=listed, other=0)
        x, y = _offsets(means, gaussian, listed, row, column)
        if DISKS:
            _, _, depth, _, _, power = _disk(shapes, gaussian, listed, x, y)
        else:
            power = _gaussian_power(shapes, gaussian, listed, x, y)
        o = tl.load(opacities + gaussian, mask=listed, other=0.0)
        alpha = tl.minimum(o[None, :] * tl.exp(power), _MOST_ALPHA)
        alpha = tl.where(alpha >= _LEAST_ALPHA, alpha, 0.0)
        after = through[:, None] * tl.cumprod(1.0 - alpha, axis=1)
        used = (alpha > 0.0) & (after >= _LEAST_TRANSMITTANCE)
        weight = tl.where(used, alpha * after / (1.0 - alpha), 0.0)
        for k in range(CHANNELS - DISKS):  # the last feature is the depth, which varies on a disk
            f = tl.load(features + gaussian * CHANNELS + k, mask=listed, other=0.0)
            sums += tl.where((lane == k)[None, :], tl.sum(weight * f[None, :], axis=1)[:, None], 0.0)
        if DISKS:
            along = tl.sum(weight * depth, axis=1)
            sums += tl.where((lane == CHANNELS - 1)[None, :], along[:, None], 0.0)
        total += tl.sum(weight, axis=1)
        left = tl.minimum(left, tl.min(tl.where(used, after, 1.0), axis=1))
        position = (entry - begin + 1).to(tl.int32)
        latest = tl.maximum(latest, tl.max(tl.where(used, position[None, :], 0), axis=1))
        through = tl.min(after, axis=1)
        place += _ENTRIES
    pixel = row * width + column
    valid = inside[:, None] & (lane < CHANNELS)[None, :]
    tl.store(image + pixel[:, None] * CHANNELS + lane[None, :], sums, mask=valid)
    tl.store(opacity + pixel, total, mask=inside)
    tl.store(transmittance + pixel, left, mask=inside)
    tl.store(last + pixel, latest, mask=inside)


@triton.jit
def composite_backward(
    means, shapes, opacities, features, start, entries, slots, across, height, width,
    transmittance, last, to_image, to_opacity, to_slots, CHANNELS: tl.constexpr, DISKS: tl.constexpr,
):  # fmt: skip
    """Back to front. With s_i = g_opacity + sum over k of g_k f_ik what an entry is worth,

        d loss / d alpha_i = T_i s_i - (sum over k > i of w_k s_k) / (1 - alpha_i)

    and T_i = T / (product over k >= i of (1 - alpha_k)), from what is left, T. `to_slots` comes as zeros, its columns
    the gradients of mean, shape, opacity and features.
    """
    tile = tl.program_id(0)
    row, column, inside = _pixels(tile, across, height, width)
    pixel = row * width + column
    g_total = tl.load(to_opacity + pixel, mask=inside, other=0.0)
    through = tl.load(transmittance + pixel, mask=inside, other=1.0)  # behind the entries that are to come
    latest = tl.load(last + pixel, mask=inside, other=0)
    g_depth = tl.load(to_image + pixel * CHANNELS + CHANNELS - 1, mask=inside, other=0.0)
    behind = tl.zeros([_PIXELS], tl.float32)  # sum of w s there
    begin = tl.load(start + tile)
    SIDES: tl.constexpr = 9 if DISKS else 3
    chunk = (tl.max(latest, axis=0) - 1) // _ENTRIES
    while chunk >= 0:
        position = chunk * _ENTRIES + tl.arange(0, _ENTRIES)
        entry = begin + position
        listed = position < tl.max(latest, axis=0)
        gaussian = tl.load(entries + entry, mask=listed, other=0)
        x, y = _offsets(means, gaussian, listed, row, column)
        if DISKS:
            a, b, depth, inverse, met, power = _disk(shapes, gaussian, listed, x, y)
        else:
            power = _gaussian_power(shapes, gaussian, listed, x, y)
        o = tl.load(opacities + gaussian, mask=listed, other=0.0)
        bell = tl.exp(power)
        full = o[None, :] * bell
        alpha = tl.minimum(full, _MOST_ALPHA)
        alpha = tl.where((alpha >= _LEAST_ALPHA) & (position[None, :] < latest[:, None]), alpha, 0.0)
        t = through[:, None] / tl.cumprod(1.0 - alpha, axis=1, reverse=True)
        weight = alpha * t
        slot = to_slots + tl.load(slots + entry, mask=listed, other=0) * (3 + SIDES + CHANNELS)
        worth = tl.zeros_like(alpha) + g_total[:, None]
        for k in range(CHANNELS - DISKS):
            f = tl.load(features + gaussian * CHANNELS + k, mask=listed, other=0.0)
            g = tl.load(to_image + pixel * CHANNELS + k, mask=inside, other=0.0)
            worth += g[:, None] * f[None, :]
            tl.store(slot + 3 + SIDES + k, tl.sum(weight * g[:, None], axis=0), mask=listed)
        if DISKS:
            worth += g_depth[:, None] * depth
        later = tl.cumsum(weight * worth, axis=1, reverse=True) - weight * worth + behind[:, None]
        g_alpha = tl.where((alpha > 0.0) & (full <= _MOST_ALPHA), t * worth - later / (1.0 - alpha), 0.0)
        push = alpha * g_alpha  # gradient of the power
        if DISKS:
            _disk_backward(shapes, gaussian, listed, x, y, a, b, inverse, met, push, weight * g_depth[:, None], slot)
        else:
            _gaussian_backward(shapes, gaussian, listed, x, y, push, slot)
        tl.store(slot + 2 + SIDES, tl.sum(bell * g_alpha, axis=0), mask=listed)
        behind += tl.sum(weight * worth, axis=1)
        through = tl.max(t, axis=1)
        chunk -= 1


@triton.jit
def _gaussian_backward(shapes, gaussian, listed, x, y, push, slot):
    """Gradients of mean and conic, from sums of the power's gradient times x, y, x x, x y and y y."""
    a, b = _element(shapes, gaussian, listed, 0, 3), _element(shapes, gaussian, listed, 1, 3)
    c = _element(shapes, gaussian, listed, 2, 3)
    tl.store(slot, tl.sum(push * (a * x + b * y), axis=0), mask=listed)
    tl.store(slot + 1, tl.sum(push * (b * x + c * y), axis=0), mask=listed)
    tl.store(slot + 2, tl.sum(push * x * x, axis=0) * -0.5, mask=listed)
    tl.store(slot + 3, -tl.sum(push * x * y, axis=0), mask=listed)
    tl.store(slot + 4, tl.sum(push * y * y, axis=0) * -0.5, mask=listed)


@triton.jit
def _disk_backward(shapes, gaussian, listed, x, y, a, b, inverse, met, push, g_z, slot):
    """Gradients of mean and transform through the place (a, b) and its depth, or the low-pass."""
    xa, xb = _element(shapes, gaussian, listed, 0, 9), _element(shapes, gaussian, listed, 1, 9)
    x1, ya = _element(shapes, gaussian, listed, 2, 9), _element(shapes, gaussian, listed, 3, 9)
    yb, y1 = _element(shapes, gaussian, listed, 4, 9), _element(shapes, gaussian, listed, 5, 9)
    za, zb = _element(shapes, gaussian, listed, 6, 9), _element(shapes, gaussian, listed, 7, 9)
    z1 = _element(shapes, gaussian, listed, 8, 9)
    p0, p1, p2 = xa - x * za, xb - x * zb, x1 - x * z1
    q0, q1, q2 = ya - y * za, yb - y * zb, y1 - y * z1
    a, b, inverse = tl.where(met, a, 0.0), tl.where(met, b, 0.0), tl.where(met, inverse, 0.0)
    ga, gb = g_z * za - a * push, g_z * zb - b * push
    k0, k1, k2 = inverse * ga, inverse * gb, -inverse * (a * ga + b * gb)
    # k = p x q: g_p = q x g_k and g_q = g_k x p
    gp0, gp1, gp2 = q1 * k2 - q2 * k1, q2 * k0 - q0 * k2, q0 * k1 - q1 * k0
    gq0, gq1, gq2 = k1 * p2 - k2 * p1, k2 * p0 - k0 * p2, k0 * p1 - k1 * p0
    by_screen = tl.where(met, 0.0, push) / _LOW_PASS
    tl.store(slot, tl.sum(by_screen * x + gp0 * za + gp1 * zb + gp2 * z1, axis=0), mask=listed)
    tl.store(slot + 1, tl.sum(by_screen * y + gq0 * za + gq1 * zb + gq2 * z1, axis=0), mask=listed)
    tl.store(slot + 2, tl.sum(gp0, axis=0), mask=listed)
    tl.store(slot + 3, tl.sum(gp1, axis=0), mask=listed)
    tl.store(slot + 4, tl.sum(gp2, axis=0), mask=listed)
    tl.store(slot + 5, tl.sum(gq0, axis=0), mask=listed)
    tl.store(slot + 6, tl.sum(gq1, axis=0), mask=listed)
    tl.store(slot + 7, tl.sum(gq2, axis=0), mask=listed)
    tl.store(slot + 8, tl.sum(g_z * a - x * gp0 - y * gq0, axis=0), mask=listed)
    tl.store(slot + 9, tl.sum(g_z * b - x * gp1 - y * gq1, axis=0), mask=listed)
    tl.store(slot + 10, tl.sum(g_z - x * gp2 - y * gq2, axis=0), mask=listed)

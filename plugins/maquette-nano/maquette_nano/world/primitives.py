"""Signed distances of the solids that nano objects are made of, and of their union, compiled for speed.

An object is a table with one row per primitive (columns below). Sphere, box, capsule, cylinder, cone and torus are
exact Euclidean distances; the ellipsoid's is first-order (exact on its surface), and subtraction and smooth union give
lower bounds of the distance near a cut or a blend. The zero set is exact in every case.

Source of the closed forms: derived from the solids' definitions; smooth minimum: polynomial blend of two distances.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from maquette.kernels.numba_support import cached

KIND, OPERATION, COLOR = 0, 1, 2  # kind of solid, join operation, color slot
CENTRE, ROTATION, SIZE = 3, 6, 15  # 3 numbers, 9 numbers (local-to-object, row major), 4 numbers
BLEND, BOUNDING_RADIUS, COLUMNS = 19, 20, 21  # smooth-union width, bounding radius, row length

ELLIPSOID, BOX, CAPSULE, CYLINDER, CONE, TORUS = range(6)
UNION, SUBTRACT, PAINT = range(3)  # PAINT only recolours what it covers


@cached(fastmath=True, inline="always")
def _ellipsoid(x: float, y: float, z: float, a: float, b: float, c: float) -> float:
    if a == b and b == c:
        return math.sqrt(x * x + y * y + z * z) - a
    k0 = math.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
    k1 = math.sqrt((x / (a * a)) ** 2 + (y / (b * b)) ** 2 + (z / (c * c)) ** 2)
    if k1 < 1e-9:
        return -min(a, min(b, c))
    return k0 * (k0 - 1.0) / k1


@cached(fastmath=True, inline="always")
def _box(x: float, y: float, z: float, a: float, b: float, c: float, rounding: float) -> float:
    dx, dy, dz = abs(x) - a + rounding, abs(y) - b + rounding, abs(z) - c + rounding
    outside = math.sqrt(max(dx, 0.0) ** 2 + max(dy, 0.0) ** 2 + max(dz, 0.0) ** 2)
    return outside + min(max(dx, max(dy, dz)), 0.0) - rounding


@cached(fastmath=True, inline="always")
def _cone(x: float, y: float, z: float, low: float, high: float, half: float) -> float:
    """Capped cone along z: radius `low` at -half and `high` at +half."""
    q = math.sqrt(x * x + y * y)
    cap = low if z < 0.0 else high
    ax, ay = q - min(q, cap), abs(z) - half
    kx, ky = high - low, 2.0 * half
    t = ((high - q) * kx + (half - z) * ky) / (kx * kx + ky * ky)
    t = min(max(t, 0.0), 1.0)
    bx, by = q - high + kx * t, z - half + ky * t
    inside = -1.0 if (bx < 0.0 and ay < 0.0) else 1.0
    return inside * math.sqrt(min(ax * ax + ay * ay, bx * bx + by * by))


@cached(fastmath=True)
def primitive_distance(row: NDArray[np.float32], x: float, y: float, z: float) -> float:
    """Signed distance from (x, y, z), object frame, to one primitive."""
    dx, dy, dz = x - row[CENTRE], y - row[CENTRE + 1], z - row[CENTRE + 2]
    r = ROTATION
    lx = row[r] * dx + row[r + 3] * dy + row[r + 6] * dz
    ly = row[r + 1] * dx + row[r + 4] * dy + row[r + 7] * dz
    lz = row[r + 2] * dx + row[r + 5] * dy + row[r + 8] * dz
    a, b, c, e = row[SIZE], row[SIZE + 1], row[SIZE + 2], row[SIZE + 3]
    kind = int(row[KIND])
    if kind == ELLIPSOID:
        return _ellipsoid(lx, ly, lz, a, b, c)
    if kind == BOX:
        return _box(lx, ly, lz, a, b, c, e)
    if kind == CAPSULE:
        lz -= min(max(lz, -b), b)
        return math.sqrt(lx * lx + ly * ly + lz * lz) - a
    if kind == CYLINDER:
        q, h = math.sqrt(lx * lx + ly * ly) - a + e, abs(lz) - b + e
        return min(max(q, h), 0.0) + math.sqrt(max(q, 0.0) ** 2 + max(h, 0.0) ** 2) - e
    if kind == CONE:
        return _cone(lx, ly, lz, a, b, c)
    q = math.sqrt(lx * lx + ly * ly) - a
    return math.sqrt(q * q + lz * lz) - b


@cached(fastmath=True)
def distance(table: NDArray[np.float32], x: float, y: float, z: float) -> float:
    """Signed distance from (x, y, z) to the whole object; a row farther than the best so far is skipped."""
    best = 1e9
    for i in range(table.shape[0]):
        row = table[i]
        operation = int(row[OPERATION])
        if operation == PAINT:
            continue
        dx, dy, dz = x - row[CENTRE], y - row[CENTRE + 1], z - row[CENTRE + 2]
        near = math.sqrt(dx * dx + dy * dy + dz * dz) - row[BOUNDING_RADIUS]
        if operation == SUBTRACT:
            if -near > best or best > 1e8:
                best = max(best, -primitive_distance(row, x, y, z))
            continue
        blend = row[BLEND]
        if near > best + blend:
            continue
        d = primitive_distance(row, x, y, z)
        if blend > 0.0:
            h = max(blend - abs(best - d), 0.0) / blend
            best = min(best, d) - h * h * blend * 0.25
        else:
            best = min(best, d)
    return best


@cached(fastmath=True)
def color_slot(table: NDArray[np.float32], x: float, y: float, z: float) -> int:
    """Color slot of the surface at (x, y, z): the nearest primitive's, or later paint's."""
    best, slot = 1e9, 0
    for i in range(table.shape[0]):
        row = table[i]
        operation = int(row[OPERATION])
        d = primitive_distance(row, x, y, z)
        if operation == SUBTRACT:
            best = max(best, -d)
        elif operation == PAINT:
            if d < 0.0:
                slot = int(row[COLOR])
        elif d < best:
            slot, best = int(row[COLOR]), d
    return slot

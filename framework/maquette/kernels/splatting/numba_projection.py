"""The compiled loops of projection, one Gaussian at a time; notation as in `reference.py`.

With t = (x, y, z) the mean in camera axes, k = f / z, held slopes h = (h_x, h_y), axes M = W R S and A [2, 3] with rows

    A_0 = k (M_0 - h_x M_2)        A_1 = k (M_1 - h_y M_2)        n = A_0 x A_1

all that is projected follows from p = A_0.A_0, q = A_0.A_1, r = A_1.A_1 and D = n.n + 0.3 (p + r) + 0.09. The backward
pass computes them anew and goes through the same steps in reverse; a 3 x 3 matrix is three rows of three floats.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from maquette.kernels.numba_support import helper, kernel

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
_LEAST_NORM = np.float32(1e-12)  # as torch.nn.functional.normalize


@helper
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@helper
def _cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@helper
def _scaled(s, a):
    return s * a[0], s * a[1], s * a[2]


@helper
def _plus(a, b):
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@helper
def _row(matrix, i):
    return matrix[i, 0], matrix[i, 1], matrix[i, 2]


@helper
def _unit(quaternions, i):
    """Quaternion of length one, and what it was divided by."""
    w, x, y, z = quaternions[i, 0], quaternions[i, 1], quaternions[i, 2], quaternions[i, 3]
    length = max(np.sqrt(w * w + x * x + y * y + z * z), _LEAST_NORM)
    return (w / length, x / length, y / length, z / length), length


@helper
def _columns(q):
    """Columns of the rotation matrix."""
    w, x, y, z = q
    return (
        (_ONE - _TWO * (y * y + z * z), _TWO * (x * y + w * z), _TWO * (x * z - w * y)),
        (_TWO * (x * y - w * z), _ONE - _TWO * (x * x + z * z), _TWO * (y * z + w * x)),
        (_TWO * (x * z + w * y), _TWO * (y * z - w * x), _ONE - _TWO * (x * x + y * y)),
    )


@helper
def _to_quaternion(q, g0, g1, g2):
    """Gradient of a unit quaternion from those of the columns of its rotation matrix."""
    w, x, y, z = q
    return (
        _TWO * (z * (g0[1] - g1[0]) + y * (g2[0] - g0[2]) + x * (g1[2] - g2[1])),
        _TWO * (y * (g0[1] + g1[0]) + z * (g0[2] + g2[0]) + w * (g1[2] - g2[1]) - _TWO * x * (g1[1] + g2[2])),
        _TWO * (x * (g0[1] + g1[0]) + z * (g1[2] + g2[1]) + w * (g2[0] - g0[2]) - _TWO * y * (g0[0] + g2[2])),
        _TWO * (x * (g0[2] + g2[0]) + y * (g1[2] + g2[1]) + w * (g0[1] - g1[0]) - _TWO * z * (g0[0] + g1[1])),
    )


@helper
def _in_camera(means, i, view, position):
    offset = means[i, 0] - position[0], means[i, 1] - position[1], means[i, 2] - position[2]
    return _dot(_row(view, 0), offset), _dot(_row(view, 1), offset), _dot(_row(view, 2), offset)


@helper
def _axes(q, scales, i, view):
    """Rows of M = W R S."""
    first, second, third = _columns(q)
    first, second, third = _scaled(scales[i, 0], first), _scaled(scales[i, 1], second), _scaled(scales[i, 2], third)
    right, down, forward = _row(view, 0), _row(view, 1), _row(view, 2)
    return (
        (_dot(right, first), _dot(right, second), _dot(right, third)),
        (_dot(down, first), _dot(down, second), _dot(down, third)),
        (_dot(forward, first), _dot(forward, second), _dot(forward, third)),
    )


@helper
def _held(slope, limit):
    return min(max(slope, -limit), limit)


@helper
def _flatten(axes, k, held_x, held_y):
    """A_0 and A_1."""
    first = _scaled(k, _plus(axes[0], _scaled(-held_x, axes[2])))
    second = _scaled(k, _plus(axes[1], _scaled(-held_y, axes[2])))
    return first, second


@kernel
def project(
    means, quaternions, scales, view, position, camera, filters,
    screen, depths, conics, compensation, deviations, radii, visible,
):  # fmt: skip
    """All fields of `Projected` into the last seven; `camera` is f, width, height, near and the two limits of slopes,
    `filters` the low-pass, the reach and the radius in standard deviations."""
    f, width, height, near, limit_x, limit_y = camera
    low_pass, reach, radius = filters
    for i in numba.prange(len(means)):
        screen[i, 0] = screen[i, 1] = depths[i] = compensation[i] = radii[i] = _ZERO
        conics[i, 0] = conics[i, 1] = conics[i, 2] = deviations[i, 0] = deviations[i, 1] = _ZERO
        visible[i] = False
        x, y, z = _in_camera(means, i, view, position)
        if not z > near:
            continue
        axes = _axes(_unit(quaternions, i)[0], scales, i, view)
        first, second = _flatten(axes, f / z, _held(x / z, limit_x), _held(y / z, limit_y))
        p, q, r = _dot(first, first), _dot(first, second), _dot(second, second)
        normal = _cross(first, second)
        area = np.sqrt(_dot(normal, normal))
        determinant = area * area + low_pass * (p + r) + low_pass * low_pass
        u, v = f * (x / z) + _HALF * width, f * (y / z) + _HALF * height
        wide, high = np.sqrt(p + low_pass), np.sqrt(r + low_pass)
        inside = (
            u + reach * wide > 0 and u - reach * wide < width and v + reach * high > 0 and v - reach * high < height
        )
        if not (inside and np.isfinite(determinant)):
            continue
        screen[i, 0], screen[i, 1], depths[i] = u, v, z
        conics[i, 0], conics[i, 1] = (r + low_pass) / determinant, -q / determinant
        conics[i, 2] = (p + low_pass) / determinant
        compensation[i] = area / np.sqrt(determinant)
        deviations[i, 0], deviations[i, 1] = wide, high
        half_gap = np.float32(math.hypot(_HALF * (p - r), q))
        radii[i] = np.ceil(radius * np.sqrt(_HALF * (p + r) + low_pass + half_gap))
        visible[i] = True


@kernel
def project_backward(
    means, quaternions, scales, view, position, camera, filters, visible,
    to_screen, to_depths, to_conics, to_compensation, to_means, to_quaternions, to_scales,
):  # fmt: skip
    f, _, _, _, limit_x, limit_y = camera
    low_pass = filters[0]
    for i in numba.prange(len(means)):
        for axis in range(3):
            to_means[i, axis] = to_scales[i, axis] = _ZERO
        for axis in range(4):
            to_quaternions[i, axis] = _ZERO
        if not visible[i]:
            continue
        x, y, z = _in_camera(means, i, view, position)
        unit, length = _unit(quaternions, i)
        axes = _axes(unit, scales, i, view)
        slope_x, slope_y = x / z, y / z
        held_x, held_y, k = _held(slope_x, limit_x), _held(slope_y, limit_y), f / z
        first, second = _flatten(axes, k, held_x, held_y)
        p, q, r = _dot(first, first), _dot(first, second), _dot(second, second)
        normal = _cross(first, second)
        area = np.sqrt(_dot(normal, normal))
        determinant = area * area + low_pass * (p + r) + low_pass * low_pass

        # conic = (r + l, -q, p + l) / D and compensation = |n| / sqrt(D), to p, q, r, D and n
        ca, cb, cc = (r + low_pass) / determinant, -q / determinant, (p + low_pass) / determinant
        ga, gb, gc, gm = to_conics[i, 0], to_conics[i, 1], to_conics[i, 2], to_compensation[i]
        root = np.sqrt(determinant)
        g_d = -(ga * ca + gb * cb + gc * cc + _HALF * gm * area / root) / determinant
        g_p, g_q, g_r = gc / determinant + low_pass * g_d, -gb / determinant, ga / determinant + low_pass * g_d
        g_normal = _scaled(_TWO * g_d + (gm / (root * area) if area > 0 else _ZERO), normal)

        # p, q, r and n = A_0 x A_1, to A
        g_first = _plus(_plus(_scaled(_TWO * g_p, first), _scaled(g_q, second)), _cross(second, g_normal))
        g_second = _plus(_plus(_scaled(_TWO * g_r, second), _scaled(g_q, first)), _cross(g_normal, first))

        # A = k (M_0 - h_x M_2, M_1 - h_y M_2), to M, h and k
        g_right, g_down = _scaled(k, g_first), _scaled(k, g_second)
        g_forward = _plus(_scaled(-held_x, g_right), _scaled(-held_y, g_down))
        g_k = (_dot(g_first, first) + _dot(g_second, second)) / k
        g_slope_x = f * to_screen[i, 0] - (_dot(g_right, axes[2]) if held_x == slope_x else _ZERO)
        g_slope_y = f * to_screen[i, 1] - (_dot(g_down, axes[2]) if held_y == slope_y else _ZERO)

        # slopes and k = f / z, to t and the mean
        g_x, g_y = g_slope_x / z, g_slope_y / z
        g_z = to_depths[i] - g_x * slope_x - g_y * slope_y - g_k * k / z
        for axis in range(3):
            to_means[i, axis] = view[0, axis] * g_x + view[1, axis] * g_y + view[2, axis] * g_z

        # M = (W R) S, to the scales and to the columns of R
        columns = _columns(unit)
        right, down, forward = _row(view, 0), _row(view, 1), _row(view, 2)
        g0 = _plus(_plus(_scaled(g_right[0], right), _scaled(g_down[0], down)), _scaled(g_forward[0], forward))
        g1 = _plus(_plus(_scaled(g_right[1], right), _scaled(g_down[1], down)), _scaled(g_forward[1], forward))
        g2 = _plus(_plus(_scaled(g_right[2], right), _scaled(g_down[2], down)), _scaled(g_forward[2], forward))
        to_scales[i, 0], to_scales[i, 1] = _dot(g0, columns[0]), _dot(g1, columns[1])
        to_scales[i, 2] = _dot(g2, columns[2])

        # R, to the unit quaternion, to the quaternion
        g0, g1, g2 = _scaled(scales[i, 0], g0), _scaled(scales[i, 1], g1), _scaled(scales[i, 2], g2)
        g_unit = _to_quaternion(unit, g0, g1, g2)
        along = _ZERO
        for axis in range(4):
            along += unit[axis] * g_unit[axis]
        for axis in range(4):
            to_quaternions[i, axis] = (g_unit[axis] - along * unit[axis]) / length

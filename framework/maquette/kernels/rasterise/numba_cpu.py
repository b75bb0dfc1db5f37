"""Rasterisation for CPUs: bands of rows in parallel forward, blocks of vertices in parallel back.

A band belongs to one thread, which draws all triangles into it in their order: no two threads write to one pixel. On
the way back each thread owns some vertices, walks over all pixels in the same order and adds up what its own vertices
receive: no two threads write to one vertex, and the order of the sum does not depend on how many threads there are.

With r_k = (x_k, y_k) - (X, Y) w_k, e_0 = r_1 x r_2 and so on, S = sum e_k, W = sum e_k w_k, and gradients g of u, v and
the depth d,

    d e_0 = (g_u - h) / S + g_d (z_0 - d w_0) / W        d z_k = g_d e_k / W
    d e_1 = (g_v - h) / S + g_d (z_1 - d w_1) / W        d w_k = -d d z_k - (X, Y) . d r_k
    d e_2 =       -h  / S + g_d (z_2 - d w_2) / W        h = g_u u + g_v v

Geometry is computed in float64, as in the reference, by the same operations in the same order. The file is long since
numba's cache sees changes of one file only: kernels that share helpers stay together.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.counting import blocks
from maquette.kernels.numba_support import helper, kernel, launch, threads
from maquette.kernels.rasterise.numba_antialias import antialias
from maquette.kernels.rasterise.numba_interpolate import OWNED_VERTICES, interpolate, owners_for
from maquette.kernels.rasterise.numba_texture import sample_texture

__all__ = ["antialias", "interpolate", "raster_derivatives", "rasterise", "sample_texture"]

_SLIVER = 1e-12  # these two as in the reference
_SLACK = 1e-6
_BANDS_PER_THREAD = 4  # more than one, since the object rarely fills all rows alike
_LONG_ROW = 16  # boxes of more columns have the ends of each row computed before its pixels are tested


def rasterise(
    clip: Float[Tensor, "B V 4"], triangles: Int[Tensor, "F 3"], height: int, width: int
) -> tuple[Int[Tensor, "B H W"], Float[Tensor, "B H W 2"], Float[Tensor, "B H W"]]:
    """As the public function: triangle, uv and depth."""
    return _Rasterise.apply(clip, triangles, height, width)


def raster_derivatives(
    clip: Float[Tensor, "B V 4"], triangles: Int[Tensor, "F 3"], triangle: Int[Tensor, "B H W"]
) -> Float[Tensor, "B H W 4"]:
    """du/dx, du/dy, dv/dx, dv/dy per pixel."""
    changes = clip.new_empty(*triangle.shape, 4)
    launch(_differentiate, clip.double(), triangles, triangle, changes)
    return changes


class _Rasterise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, clip: Tensor, triangles: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        exact, images = clip.double(), len(clip)
        boxes = torch.empty(images, len(triangles), 4, dtype=torch.int32)
        launch(_bound, exact, triangles, height, width, _SLIVER, _SLACK, boxes)
        triangle = torch.empty(images, height, width, dtype=torch.int32)
        nearest = torch.empty(images, height, width, dtype=torch.float64)
        bands = min(height, blocks(_BANDS_PER_THREAD * threads(), max(images, 1)))
        launch(_draw, exact, triangles, boxes, blocks(height, bands), _LONG_ROW, triangle, nearest)
        uv, depth = clip.new_empty(images, height, width, 2), clip.new_empty(images, height, width)
        launch(_shade, exact, triangles, triangle, uv, depth)
        ctx.save_for_backward(clip, triangles, triangle)
        ctx.mark_non_differentiable(triangle)
        return triangle, uv, depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor, to_uv: Tensor, to_depth: Tensor) -> tuple[Tensor | None, ...]:
        clip, triangles, triangle = ctx.saved_tensors
        to_clip = torch.zeros(clip.shape, dtype=torch.float64)
        owners = owners_for(len(clip))
        launch(_shade_backward, clip.double(), triangles, triangle, to_uv, to_depth, owners, OWNED_VERTICES, to_clip)
        return to_clip.to(clip.dtype), None, None, None


@helper
def _centre(index, size):
    """X of a column's centre, and minus Y of a row's; exactly 0 in the middle, and opposite on both sides of it."""
    return (2.0 * index + 1.0 - size) * (1.0 / size)


@helper
def _load(clip, triangles, face, corners):
    """Corners [3, 4] of a triangle; whether all are finite."""
    finite = True
    for k in range(3):
        for axis in range(4):
            corners[k, axis] = clip[triangles[face, k], axis]
            finite &= np.isfinite(corners[k, axis])
    return finite


@helper
def _orient(corners, sliver, edge):
    """Coefficients of X, Y and 1 in the edge functions, positive inside; the determinant, 0 if there is no area."""
    scale = 1.0
    for k in range(3):
        one, two = corners[(k + 1) % 3], corners[(k + 2) % 3]
        edge[k, 0] = one[1] * two[3] - two[1] * one[3]
        edge[k, 1] = one[3] * two[0] - two[3] * one[0]
        edge[k, 2] = one[0] * two[1] - two[0] * one[1]
        scale *= abs(corners[k, 0]) + abs(corners[k, 1]) + abs(corners[k, 3])
    det = corners[0, 0] * edge[0, 0] + corners[0, 1] * edge[0, 1] + corners[0, 3] * edge[0, 2]
    if not abs(det) > sliver * scale:
        return 0.0
    if det < 0:
        for k in range(3):
            for term in range(3):
                edge[k, term] = -edge[k, term]
    return abs(det)


@helper
def _first(lowest, slack, size):
    return int(min(max(np.ceil(lowest - slack), 0.0), float(size)))


@helper
def _final(highest, slack, size):
    return int(min(max(np.floor(highest + slack), -1.0), size - 1.0))


@kernel
def _bound(clip, triangles, height, width, sliver, slack, boxes):
    """First and last column, first and last row that each triangle may cover; none for those that are not drawn."""
    faces = len(triangles)
    for item in numba.prange(len(clip) * faces):
        image, face = item // faces, item % faces
        corners, edge = np.empty((3, 4)), np.empty((3, 3))
        box = boxes[image, face]
        box[0], box[1], box[2], box[3] = 0, -1, 0, -1
        if not _load(clip[image], triangles, face, corners) or _orient(corners, sliver, edge) == 0:
            continue
        w0, w1, w2 = corners[0, 3], corners[1, 3], corners[2, 3]
        if max(w0, w1, w2) <= 0:
            continue
        if min(w0, w1, w2) <= 0:
            box[1], box[3] = width - 1, height - 1
            continue
        x0, x1, x2 = corners[0, 0] / w0, corners[1, 0] / w1, corners[2, 0] / w2
        y0, y1, y2 = corners[0, 1] / w0, corners[1, 1] / w1, corners[2, 1] / w2
        box[0] = _first((min(x0, x1, x2) + 1) * (width / 2) - 0.5, slack, width)
        box[1] = _final((max(x0, x1, x2) + 1) * (width / 2) - 0.5, slack, width)
        box[2] = _first((1 - max(y0, y1, y2)) * (height / 2) - 0.5, slack, height)
        box[3] = _final((1 - min(y0, y1, y2)) * (height / 2) - 0.5, slack, height)


@helper
def _span(edge, y, first, last, width):
    """Columns of a row between which all edge functions can be positive, one more at either end."""
    for k in range(3):
        a, rest = edge[k, 0], edge[k, 1] * y + edge[k, 2]
        if a == 0:
            continue
        column = min(max((1 - rest / a) * (width / 2) - 0.5, -2.0), width + 1.0)
        if a > 0:
            first = max(first, int(np.floor(column)) - 1)
        else:
            last = min(last, int(np.ceil(column)) + 1)
    return first, last


@helper
def _owns(a, b):
    """Whether a centre exactly on this edge belongs to the triangle: on its left side or along its top."""
    return a > 0 or (a == 0 and b < 0)


@kernel
def _draw(clip, triangles, boxes, band, long_row, triangle, nearest):
    images, height, width = triangle.shape
    bands = (height + band - 1) // band
    for task in numba.prange(images * bands):
        image, top = task // bands, task % bands * band
        bottom = min(top + band, height)
        triangle[image, top:bottom] = -1
        nearest[image, top:bottom] = np.inf
        corners, edge = np.empty((3, 4)), np.empty((3, 3))
        for face in range(len(triangles)):
            left, right, upper, lower = boxes[image, face]
            upper, lower = max(upper, top), min(lower, bottom - 1)
            if upper > lower or left > right:
                continue
            _load(clip[image], triangles, face, corners)
            inverse = 1.0 / _orient(corners, 0.0, edge)
            a0, a1, a2 = edge[0, 0], edge[1, 0], edge[2, 0]
            own0, own1, own2 = _owns(a0, edge[0, 1]), _owns(a1, edge[1, 1]), _owns(a2, edge[2, 1])
            z0, z1, z2 = corners[0, 2], corners[1, 2], corners[2, 2]
            for row in range(upper, lower + 1):
                y = -_centre(row, height)
                rest0, rest1 = edge[0, 1] * y + edge[0, 2], edge[1, 1] * y + edge[1, 2]
                rest2 = edge[2, 1] * y + edge[2, 2]
                first, last = left, right
                if last - first > long_row:
                    first, last = _span(edge, y, left, right, width)
                for column in range(first, last + 1):
                    x = _centre(column, width)
                    e0, e1, e2 = a0 * x + rest0, a1 * x + rest1, a2 * x + rest2
                    if e0 < 0 or e1 < 0 or e2 < 0:
                        continue
                    if (e0 == 0 and not own0) or (e1 == 0 and not own1) or (e2 == 0 and not own2):
                        continue
                    depth = (e0 * z0 + e1 * z1 + e2 * z2) * inverse
                    if depth < nearest[image, row, column] and -1 <= depth <= 1:
                        nearest[image, row, column] = depth
                        triangle[image, row, column] = face


@helper
def _look(corners, x, y, r):
    """The corners as the pixel at (x, y) sees them, and the edge functions there."""
    for k in range(3):
        r[k, 0], r[k, 1] = corners[k, 0] - x * corners[k, 3], corners[k, 1] - y * corners[k, 3]
    e0 = r[1, 0] * r[2, 1] - r[2, 0] * r[1, 1]
    e1 = r[2, 0] * r[0, 1] - r[0, 0] * r[2, 1]
    e2 = r[0, 0] * r[1, 1] - r[1, 0] * r[0, 1]
    return e0, e1, e2


@kernel
def _shade(clip, triangles, triangle, uv, depth):
    images, height, width = triangle.shape
    for line in numba.prange(images * height):
        image, row = line // height, line % height
        corners, r, loaded = np.empty((3, 4)), np.empty((3, 2)), -1
        y = -_centre(row, height)
        for column in range(width):
            face = triangle[image, row, column]
            if face < 0:
                uv[image, row, column, 0], uv[image, row, column, 1], depth[image, row, column] = 0, 0, 1
                continue
            if face != loaded:
                _load(clip[image], triangles, face, corners)
                loaded = face
            e0, e1, e2 = _look(corners, _centre(column, width), y, r)
            total = e0 + e1 + e2
            scale = e0 * corners[0, 3] + e1 * corners[1, 3] + e2 * corners[2, 3]
            uv[image, row, column, 0], uv[image, row, column, 1] = e0 / total, e1 / total
            depth[image, row, column] = (e0 * corners[0, 2] + e1 * corners[1, 2] + e2 * corners[2, 2]) / scale


@kernel
def _shade_backward(clip, triangles, triangle, to_uv, to_depth, owners, owned, to_clip):
    images, height, width = triangle.shape
    for task in numba.prange(images * owners):
        image, owner = task // owners, task % owners
        corners, r, loaded = np.empty((3, 4)), np.empty((3, 2)), -1
        own, to_e = np.empty(3, np.bool_), np.empty(3)
        for row in range(height):
            y = -_centre(row, height)
            for column in range(width):
                face = triangle[image, row, column]
                if face < 0:
                    continue
                if face != loaded:
                    _load(clip[image], triangles, face, corners)
                    for k in range(3):
                        own[k] = (triangles[face, k] >> owned) & (owners - 1) == owner
                    loaded = face
                if not (own[0] or own[1] or own[2]):
                    continue
                g_u, g_v = float(to_uv[image, row, column, 0]), float(to_uv[image, row, column, 1])
                g_d = float(to_depth[image, row, column])
                if g_u == 0 and g_v == 0 and g_d == 0:
                    continue
                x = _centre(column, width)
                e = _look(corners, x, y, r)
                per_sum = 1 / (e[0] + e[1] + e[2])
                per_w = 1 / (e[0] * corners[0, 3] + e[1] * corners[1, 3] + e[2] * corners[2, 3])
                depth = (e[0] * corners[0, 2] + e[1] * corners[1, 2] + e[2] * corners[2, 2]) * per_w
                common = (g_u * e[0] + g_v * e[1]) * per_sum
                to_e[0], to_e[1], to_e[2] = (g_u - common) * per_sum, (g_v - common) * per_sum, -common * per_sum
                for k in range(3):
                    to_e[k] += g_d * (corners[k, 2] - depth * corners[k, 3]) * per_w
                for k in range(3):
                    if own[k]:
                        one, two = (k + 1) % 3, (k + 2) % 3
                        g_x = to_e[two] * r[one, 1] - to_e[one] * r[two, 1]
                        g_y = to_e[one] * r[two, 0] - to_e[two] * r[one, 0]
                        g_z = g_d * e[k] * per_w
                        to = to_clip[image, triangles[face, k]]
                        to[0] += g_x
                        to[1] += g_y
                        to[2] += g_z
                        to[3] -= depth * g_z + x * g_x + y * g_y


@kernel
def _differentiate(clip, triangles, triangle, changes):
    images, height, width = triangle.shape
    for line in numba.prange(images * height):
        image, row = line // height, line % height
        corners, r, steps = np.empty((3, 4)), np.empty((3, 2)), np.empty((2, 3))
        loaded = -1
        y = -_centre(row, height)
        for column in range(width):
            face = triangle[image, row, column]
            if face < 0:
                changes[image, row, column] = 0
                continue
            if face != loaded:
                _load(clip[image], triangles, face, corners)
                loaded = face
            e0, e1, e2 = _look(corners, _centre(column, width), y, r)
            inverse = 1.0 / (e0 + e1 + e2)
            for k in range(3):
                one, two = (k + 1) % 3, (k + 2) % 3
                steps[0, k] = (corners[two, 3] * r[one, 1] - corners[one, 3] * r[two, 1]) * (2.0 / width)
                steps[1, k] = (corners[one, 3] * r[two, 0] - corners[two, 3] * r[one, 0]) * (-2.0 / height)
            for axis in range(2):
                drift = (steps[axis, 0] + steps[axis, 1] + steps[axis, 2]) * inverse
                changes[image, row, column, axis] = (steps[axis, 0] - e0 * drift) * inverse
                changes[image, row, column, 2 + axis] = (steps[axis, 1] - e1 * drift) * inverse

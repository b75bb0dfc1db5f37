"""Silhouette antialiasing for CPUs: pairs of pixels are found row by row in parallel, then blended image by image.

Few pairs lie on a silhouette, so a list of them is cheap to walk in one order: no two threads write to one place, and
the bits do not depend on how many there are. With f, g the edge function at the near and the far pixel,
alpha = f / (f - g) moves by d f = -g / (f - g)^2 and d g = f / (f - g)^2.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from maquette.kernels.numba_support import helper, kernel, launch
from maquette.kernels.rasterise.reference_antialias import MAX_CROSSINGS


def antialias(
    color: Float[Tensor, "B H W C"],
    triangle: Int[Tensor, "B H W"],
    depth: Float[Tensor, "B H W"],
    clip: Float[Tensor, "B V 4"],
    triangles: Int[Tensor, "F 3"],
    across: Int[Tensor, "F 3"],
) -> Float[Tensor, "B H W C"]:
    """As the public function."""
    return _Antialias.apply(color, triangle, depth, clip, triangles, across)


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        color: Tensor,
        triangle: Tensor,
        depth: Tensor,
        clip: Tensor,
        triangles: Tensor,
        across: Tensor,
    ) -> Tensor:
        exact = clip.double()
        images, height, width, channels = color.shape
        silhouette = torch.empty(images, len(triangles), dtype=torch.uint8)
        neighbour = torch.where(across < 0, -2, across // 3)
        launch(_silhouettes, exact, triangles, across, silhouette)
        counts = torch.empty(images * height, dtype=torch.int64)
        candidates = torch.empty(images * height, 2 * width, dtype=torch.int32)
        launch(_find, triangle, depth, neighbour, silhouette, counts, candidates)
        starts = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
        pairs = torch.empty(int(starts[-1]), 2, dtype=torch.int64)
        ends = torch.empty_like(pairs)
        alpha = torch.empty(len(pairs), dtype=torch.float64)
        launch(
            _measure,
            exact,
            triangles,
            neighbour,
            triangle,
            silhouette,
            candidates,
            starts,
            pairs,
            ends,
            alpha,
            MAX_CROSSINGS,
        )
        first = starts[::height].contiguous()
        blended = color.clone(memory_format=torch.contiguous_format)
        launch(_blend, color.reshape(-1, channels), first, pairs, alpha, blended.view(-1, channels))
        ctx.save_for_backward(color, clip, first, pairs, ends, alpha)
        return blended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        color, clip, first, pairs, ends, alpha = ctx.saved_tensors
        channels = color.shape[-1]
        to_color = grad.clone(memory_format=torch.contiguous_format)
        to_clip = torch.zeros(clip.shape, dtype=torch.float64)
        flat, upstream = color.reshape(-1, channels), grad.reshape(-1, channels)
        height, width = color.shape[1:3]
        launch(
            _blend_backward, flat, upstream, clip.double(), height, width, first, pairs, ends, alpha,
            to_color.view(-1, channels), to_clip,
        )  # fmt: skip
        return to_color, None, None, to_clip.to(clip.dtype), None, None


@helper
def _determinant(a, b, c):
    return a[0] * (b[1] * c[3] - b[3] * c[1]) + a[1] * (b[3] * c[0] - b[0] * c[3]) + a[3] * (b[0] * c[1] - b[1] * c[0])


@kernel
def _silhouettes(clip, triangles, across, silhouette):
    """Bit k is set where the edge opposite corner k may be seen as a border."""
    faces = len(triangles)
    for item in numba.prange(len(clip) * faces):
        image, face = item // faces, item % faces
        positions, bits = clip[image], 0
        for k in range(3):
            a, b = positions[triangles[face, (k + 1) % 3]], positions[triangles[face, (k + 2) % 3]]
            own = _determinant(a, b, positions[triangles[face, k]])
            if own == 0:
                continue
            other = across[face, k]
            if other < 0 or not own * _determinant(a, b, positions[triangles[other // 3, other % 3]]) < 0:
                bits |= 1 << k
        silhouette[image, face] = bits


@helper
def _order(one, two, depth_one, depth_two, neighbour, silhouette):
    """1 if the first pixel is the nearer of a pair, 0 if it is the second; -1 if their triangles are joined."""
    first_near = one >= 0 and (two < 0 or depth_one <= depth_two)
    near, far = (one, two) if first_near else (two, one)
    for k in range(3):
        if neighbour[near, k] == far and not (silhouette[near] >> k) & 1:
            return -1
    return 1 if first_near else 0


@kernel
def _find(triangle, depth, neighbour, silhouette, counts, candidates):
    """Pairs that may lie on a silhouette, row by row: 4 column + 2 (side by side) + 1 (the first pixel is nearer)."""
    images, height, width = triangle.shape
    for line in numba.prange(images * height):
        image, row = line // height, line % height
        triangles_of_row, depths, borders = triangle[image, row], depth[image, row], silhouette[image]
        below, depths_below = triangle[image, min(row + 1, height - 1)], depth[image, min(row + 1, height - 1)]
        count = 0
        for column in range(width):
            one = triangles_of_row[column]
            if column + 1 < width and one != triangles_of_row[column + 1]:
                order = _order(
                    one, triangles_of_row[column + 1], depths[column], depths[column + 1], neighbour, borders
                )
                if order >= 0:
                    candidates[line, count] = 4 * column + 2 + order
                    count += 1
            if one != below[column]:
                order = _order(one, below[column], depths[column], depths_below[column], neighbour, borders)
                if order >= 0:
                    candidates[line, count] = 4 * column + order
                    count += 1
        counts[line] = count


@helper
def _centre(index, size):
    """As in `numba_cpu.py`; numba's cache wants helpers in the file of their kernel."""
    return (2.0 * index + 1.0 - size) * (1.0 / size)


@helper
def _edge_at(a, b, pixel, height, width):
    """The edge function p_a x p_b . q at a pixel's centre."""
    x, y = _centre(pixel % width, width), -_centre(pixel // width, height)
    return (a[0] - x * a[3]) * (b[1] - y * b[3]) - (b[0] - x * b[3]) * (a[1] - y * a[3])


@helper
def _exit(positions, corners, near, far, height, width):
    """The edge by which the way from pixel near to pixel far leaves a triangle, and where on the way; see `_walk`."""
    one, two, three = positions[corners[0]], positions[corners[1]], positions[corners[2]]
    f0, g0 = _edge_at(two, three, near, height, width), _edge_at(two, three, far, height, width)
    f1, g1 = _edge_at(three, one, near, height, width), _edge_at(three, one, far, height, width)
    f2, g2 = _edge_at(one, two, near, height, width), _edge_at(one, two, far, height, width)
    orientation = -1.0 if f0 * one[3] + f1 * two[3] + f2 * three[3] < 0 else 1.0
    edge, alpha = -1, np.inf
    if orientation * f0 > orientation * g0:
        edge, alpha = 0, f0 / (f0 - g0)
    if orientation * f1 > orientation * g1 and f1 / (f1 - g1) < alpha:
        edge, alpha = 1, f1 / (f1 - g1)
    if orientation * f2 > orientation * g2 and f2 / (f2 - g2) < alpha:
        edge, alpha = 2, f2 / (f2 - g2)
    return edge, alpha


@helper
def _walk(positions, triangles, neighbour, silhouette, face, beyond, near, far, height, width, steps):
    """From triangle to triangle towards the far pixel: the triangle, edge and alpha of the first silhouette, or -1."""
    for _ in range(steps):
        edge, alpha = _exit(positions, triangles[face], near, far, height, width)
        if not 0 <= alpha <= 1:
            break
        if (silhouette[face] >> edge) & 1:
            return face, edge, alpha
        face = neighbour[face, edge]
        if face == beyond or face < 0:
            break
    return -1, -1, -1.0


@kernel
def _measure(clip, triangles, neighbour, triangle, silhouette, candidates, starts, pairs, ends, alpha, steps):
    """Near and far pixel of each pair, the ends of the edge between them, and alpha; -1 if no silhouette passes."""
    images, height, width = triangle.shape
    for line in numba.prange(images * height):
        image, row = line // height, line % height
        triangles_of_row, positions, offset = triangle[image].reshape(-1), clip[image], image * height * width
        borders = silhouette[image]
        for at in range(starts[line], starts[line + 1]):
            code = candidates[line, at - starts[line]]
            horizontal = code & 2 != 0
            first = row * width + (code >> 2)
            second = first + (1 if horizontal else width)
            near, far = (first, second) if code & 1 else (second, first)
            face, edge, where = _walk(
                positions,
                triangles,
                neighbour,
                borders,
                triangles_of_row[near],
                triangles_of_row[far],
                near,
                far,
                height,
                width,
                steps,
            )
            pairs[at, 0], pairs[at, 1], alpha[at] = offset + near, offset + far, -1
            if edge >= 0:
                i, j = triangles[face, (edge + 1) % 3], triangles[face, (edge + 2) % 3]
                a, b = positions[i], positions[j]
                upright = abs(a[1] * b[3] - a[3] * b[1]) * height >= abs(a[3] * b[0] - a[0] * b[3]) * width
                ends[at, 0], ends[at, 1] = i, j
                if upright == horizontal:
                    alpha[at] = where


@kernel
def _blend(color, first, pairs, alpha, blended):
    for image in numba.prange(len(first) - 1):
        for at in range(first[image], first[image + 1]):
            if alpha[at] < 0:
                continue
            spills = alpha[at] >= 0.5
            source, target = (pairs[at, 0], pairs[at, 1]) if spills else (pairs[at, 1], pairs[at, 0])
            weight = color.dtype.type(abs(alpha[at] - 0.5))
            for channel in range(color.shape[1]):
                blended[target, channel] += weight * (color[source, channel] - color[target, channel])


@kernel
def _blend_backward(color, grad, clip, height, width, first, pairs, ends, alpha, to_color, to_clip):
    for image in numba.prange(len(first) - 1):
        positions, to = clip[image], to_clip[image]
        for at in range(first[image], first[image + 1]):
            if alpha[at] < 0:
                continue
            near, far = pairs[at, 0], pairs[at, 1]
            spills = alpha[at] >= 0.5
            source, target = (near, far) if spills else (far, near)
            weight, to_alpha = abs(alpha[at] - 0.5), 0.0
            for channel in range(color.shape[1]):
                upstream = grad[target, channel]
                to_alpha += upstream * (color[near, channel] - color[far, channel])
                to_color[source, channel] += weight * upstream
                to_color[target, channel] -= weight * upstream
            i, j = ends[at, 0], ends[at, 1]
            near, far = near - image * height * width, far - image * height * width
            f = _edge_at(positions[i], positions[j], near, height, width)
            g = _edge_at(positions[i], positions[j], far, height, width)
            slope = to_alpha / (f - g) ** 2
            _edge_backward(positions[i], positions[j], near, height, width, -g * slope, to[i], to[j])
            _edge_backward(positions[i], positions[j], far, height, width, f * slope, to[i], to[j])


@helper
def _edge_backward(a, b, pixel, height, width, upstream, to_a, to_b):
    x, y = _centre(pixel % width, width), -_centre(pixel // width, height)
    ax, ay, bx, by = a[0] - x * a[3], a[1] - y * a[3], b[0] - x * b[3], b[1] - y * b[3]
    to_a[0] += upstream * by
    to_a[1] -= upstream * bx
    to_a[3] += upstream * (y * bx - x * by)
    to_b[0] -= upstream * ay
    to_b[1] += upstream * ax
    to_b[3] += upstream * (x * ay - y * ax)

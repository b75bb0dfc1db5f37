"""Silhouette antialiasing in plain torch; `reference.py` gathers the whole backend."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

MAX_CROSSINGS = 32  # triangles that a way of one pixel's length may cross; no silhouette is found behind more


def antialias(
    color: Float[Tensor, "B H W C"],
    triangle: Int[Tensor, "B H W"],
    depth: Float[Tensor, "B H W"],
    clip: Float[Tensor, "B V 4"],
    triangles: Int[Tensor, "F 3"],
    across: Int[Tensor, "F 3"],
) -> Float[Tensor, "B H W C"]:
    """As the public function."""
    silhouette = _silhouettes(clip.detach().double(), triangles, across)
    pixels = color.flatten(0, 2)
    blended = pixels
    for axis in (2, 1):
        near, far, alpha = _crossings(triangle, depth, clip, triangles, across, silhouette, axis)
        spills = alpha >= 0.5
        source, target = torch.where(spills, near, far), torch.where(spills, far, near)
        weight = torch.where(spills, alpha - 0.5, 0.5 - alpha).to(color.dtype)[:, None]
        change = weight * (pixels.index_select(0, source) - pixels.index_select(0, target))
        blended = blended.index_add(0, target, change)
    return blended.reshape(color.shape)


def pixel_centres(
    row: Int[Tensor, " n"], column: Int[Tensor, " n"], height: int, width: int
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """X and Y in float64; exactly 0 in the middle, and opposite on both sides of it."""
    return (2 * column.double() + 1 - width) * (1 / width), (height - 1 - 2 * row.double()) * (1 / height)


def _silhouettes(clip: Tensor, triangles: Tensor, across: Tensor) -> Bool[Tensor, "B F 3"]:
    """For each edge of each triangle, whether it may be seen as a border.

    The third vertices of both triangles lie on the same side of the plane through the eye and the edge exactly when
    one triangle faces the eye and the other does not; this asks nothing of the winding.
    """
    a, b = clip[:, triangles.roll(-1, 1)], clip[:, triangles.roll(-2, 1)]
    own = _determinant(a, b, clip[:, triangles])
    other = _determinant(a, b, clip[:, triangles.flatten()[across.clamp(min=0)]])
    return (own != 0) & ((across < 0) | ~(own * other < 0))  # a neighbour that is not finite does not hide it


def _determinant(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    ax, ay, _, aw = a.unbind(-1)
    bx, by, _, bw = b.unbind(-1)
    cx, cy, _, cw = c.unbind(-1)
    return ax * (by * cw - bw * cy) + ay * (bw * cx - bx * cw) + aw * (bx * cy - by * cx)


def _crossings(
    triangle: Tensor, depth: Tensor, clip: Tensor, triangles: Tensor, across: Tensor, silhouette: Tensor, axis: int
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Near pixel, far pixel and alpha for all pairs along an axis between which a silhouette passes.

    Pixels are numbered over all images; only alpha carries a gradient.
    """
    _, height, width = triangle.shape
    near, far = _pairs(triangle, depth, axis)
    image, face, beyond = near // (height * width), triangle.flatten()[near].long(), triangle.flatten()[far].long()
    neighbour = torch.where(across < 0, -2, across // 3)
    connected = (neighbour[face] == beyond[:, None]) & ~silhouette[image, face]
    parted = ~connected.any(dim=-1)
    near, far, image, face, beyond = (each[parted] for each in (near, far, image, face, beyond))
    exact = clip.double()
    face, edge = _walk(exact.detach(), triangles, neighbour, silhouette, image, face, beyond, near, far, height, width)
    has_border = edge >= 0
    near, far, image, face, edge = (each[has_border] for each in (near, far, image, face, edge))

    a, b = (
        exact.flatten(0, 1).index_select(0, triangles[face, (edge + turned) % 3] + image * clip.shape[1])
        for turned in (1, 2)
    )
    at_near, at_far = (_edge(a, b, *_centres_of(pixel, height, width)) for pixel in (near, far))
    # An edge a, b with normal p_a x p_b is upright when the normal's x per pixel is at least its y per pixel.
    sideways = (a[:, 1] * b[:, 3] - a[:, 3] * b[:, 1]).abs() * height
    upwards = (a[:, 3] * b[:, 0] - a[:, 0] * b[:, 3]).abs() * width
    fits = (sideways >= upwards) if axis == 2 else (sideways < upwards)
    return near[fits], far[fits], at_near[fits] / (at_near[fits] - at_far[fits])


def _pairs(triangle: Tensor, depth: Tensor, axis: int) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Neighbours along an axis that show different triangles, the nearer one first."""
    _, height, width = triangle.shape
    number = torch.arange(triangle.numel(), device=triangle.device).reshape(triangle.shape)
    length = triangle.shape[axis] - 1
    differ = triangle.narrow(axis, 0, length) != triangle.narrow(axis, 1, length)
    first = number.narrow(axis, 0, length)[differ]
    second = first + (height * width, width, 1)[axis]
    flat_triangle, depths = triangle.flatten(), depth.flatten()
    first_near = (flat_triangle[first] >= 0) & ((flat_triangle[second] < 0) | (depths[first] <= depths[second]))
    return torch.where(first_near, first, second), torch.where(first_near, second, first)


def _walk(
    clip: Tensor, triangles: Tensor, neighbour: Tensor, silhouette: Tensor, image: Tensor, face: Tensor,
    beyond: Tensor, near: Tensor, far: Tensor, height: int, width: int,
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:  # fmt: skip
    """From triangle to triangle towards the far pixel: the triangle and the edge of the first silhouette, -1 if none.

    The way leaves a triangle where it leaves the first of the three half-planes that the triangle is made of.
    """
    face, border_edge = face.clone(), torch.full_like(face, -1)
    active = torch.arange(len(face), device=face.device)
    for _ in range(MAX_CROSSINGS):
        if not len(active):
            break
        at, on = face[active], image[active]
        corners = clip[on[:, None], triangles[at]]
        start, end = (_edges(corners, pixel[active], height, width) for pixel in (near, far))
        w = corners[..., 3]
        det = start[:, 0] * w[:, 0] + start[:, 1] * w[:, 1] + start[:, 2] * w[:, 2]
        orientation = torch.where(det < 0, -1.0, 1.0)[:, None]
        falls = orientation * start > orientation * end
        alpha, edge = torch.where(falls, start / torch.where(falls, start - end, 1.0), torch.inf).min(dim=-1)
        leaves = (alpha >= 0) & (alpha <= 1)
        border = leaves & silhouette[on, at, edge]
        border_edge[active[border]] = edge[border]
        following = neighbour[at, edge]
        onward = leaves & ~border & (following != beyond[active])
        active = active[onward]
        face[active] = following[onward]
    return face, border_edge


def _centres_of(pixel: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    return pixel_centres(pixel // width % height, pixel % width, height, width)


def _edge(a: Float[Tensor, "n 4"], b: Float[Tensor, "n 4"], x: Tensor, y: Tensor) -> Float[Tensor, " n"]:
    """The edge function p_a x p_b . q at (x, y)."""
    return (a[:, 0] - x * a[:, 3]) * (b[:, 1] - y * b[:, 3]) - (b[:, 0] - x * b[:, 3]) * (a[:, 1] - y * a[:, 3])


def _edges(corners: Float[Tensor, "n 3 4"], pixel: Tensor, height: int, width: int) -> Float[Tensor, "n 3"]:
    """The edge functions at the centres of pixels; edge k lies opposite corner k."""
    centre = _centres_of(pixel, height, width)
    p, q, r = corners.unbind(1)
    return torch.stack([_edge(q, r, *centre), _edge(r, p, *centre), _edge(p, q, *centre)], dim=-1)

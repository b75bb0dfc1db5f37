"""Rasterisation in plain torch: the definition that the other backends are tested against, on any device.

Geometry is computed in float64: in float32 the edge functions of a triangle as small as a pixel keep few digits.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.rasterise.reference_antialias import antialias, pixel_centres
from maquette.kernels.rasterise.reference_texture import sample_texture

__all__ = ["antialias", "interpolate", "raster_derivatives", "rasterise", "sample_texture"]

_FRAGMENTS = 2**18  # pairs of a triangle and a pixel of its box that are tested at once; bounds the memory
_SLIVER = 1e-12  # a determinant smaller than this part of its terms is rounding: the triangle has no area
_SLACK = 1e-6  # pixels by which boxes are widened against rounding


def rasterise(
    clip: Float[Tensor, "B V 4"], triangles: Int[Tensor, "F 3"], height: int, width: int
) -> tuple[Int[Tensor, "B H W"], Float[Tensor, "B H W 2"], Float[Tensor, "B H W"]]:
    """As the public function: triangle, uv and depth."""
    triangle = _nearest(clip.detach().double(), triangles, height, width)
    covered, corners, offsets = _corners(clip, triangles, triangle)
    edge = _cross(offsets[..., 0], offsets[..., 1])
    uv = edge[:, :2] / edge.sum(dim=-1, keepdim=True)
    depth = (edge * corners[..., 2]).sum(dim=-1) / (edge * corners[..., 3]).sum(dim=-1)
    uv_image = clip.new_zeros(*triangle.shape, 2).index_put(covered, uv.to(clip.dtype))
    depth_image = clip.new_ones(triangle.shape).index_put(covered, depth.to(clip.dtype))
    return triangle, uv_image, depth_image


def raster_derivatives(
    clip: Float[Tensor, "B V 4"], triangles: Int[Tensor, "F 3"], triangle: Int[Tensor, "B H W"]
) -> Float[Tensor, "B H W 4"]:
    """du/dx, du/dy, dv/dx, dv/dy per pixel, from d e / dX and d e / dY by the quotient rule."""
    covered, corners, offsets = _corners(clip, triangles, triangle)
    w = corners[..., 3]
    _, height, width = triangle.shape
    edge = _cross(offsets[..., 0], offsets[..., 1])
    per_column = _cross(-w, offsets[..., 1]) * (2 / width)
    per_row = _cross(offsets[..., 0], -w) * (-2 / height)
    total = edge.sum(dim=-1, keepdim=True)
    uv = edge[:, :2] / total
    changes = [(step[:, :2] - uv * step.sum(dim=-1, keepdim=True)) / total for step in (per_column, per_row)]
    packed = torch.stack(changes, dim=-1).flatten(-2).to(clip.dtype)
    return clip.new_zeros(*triangle.shape, 4).index_put(covered, packed)


def interpolate(
    attributes: Float[Tensor, "A V C"],
    triangle: Int[Tensor, "B H W"],
    uv: Float[Tensor, "B H W 2"],
    triangles: Int[Tensor, "F 3"],
    total: float,
) -> Float[Tensor, "B H W C"]:
    """u a_0 + v a_1 + (total - u - v) a_2: total is 1 for values, and 0 for derivatives."""
    sets, vertices, channels = attributes.shape
    covered = torch.nonzero(triangle >= 0, as_tuple=True)
    rows = triangles[triangle[covered].long()] + (covered[0] * vertices * (sets > 1))[:, None]
    at_corners = attributes.flatten(0, 1).index_select(0, rows.flatten()).reshape(-1, 3, channels)
    weights = torch.cat([uv[covered], total - uv[covered].sum(dim=-1, keepdim=True)], dim=-1)
    values = (weights[..., None] * at_corners).sum(dim=1)
    return attributes.new_zeros(*triangle.shape, channels).index_put(covered, values)


def _corners(
    clip: Tensor, triangles: Tensor, triangle: Tensor
) -> tuple[tuple[Tensor, ...], Float[Tensor, "n 3 4"], Float[Tensor, "n 3 2"]]:
    """The covered pixels, the corners of their triangles, and x - X w, y - Y w: the corners as the pixel sees them.

    Written with these, p_1 x p_2 . q is a cross product of two short vectors, free of cancellation.
    """
    _, height, width = triangle.shape
    image, row, column = covered = torch.nonzero(triangle >= 0, as_tuple=True)
    rows = triangles[triangle[covered].long()] + (image * clip.shape[1])[:, None]
    corners = clip.double().flatten(0, 1).index_select(0, rows.flatten()).reshape(-1, 3, 4)
    centre = torch.stack(pixel_centres(row, column, height, width), dim=-1)
    return covered, corners, corners[..., :2] - centre[:, None] * corners[..., 3:]


def _cross(x: Tensor, y: Tensor) -> Tensor:
    """x_1 y_2 - x_2 y_1 and its two rotations."""
    return x.roll(-1, -1) * y.roll(-2, -1) - x.roll(-2, -1) * y.roll(-1, -1)


def _nearest(clip: Float[Tensor, "B V 4"], triangles: Tensor, height: int, width: int) -> Int[Tensor, "B H W"]:
    """The z-buffer, over chunks of fragments; the result does not depend on how they are cut."""
    images, faces = len(clip), len(triangles)
    corners = clip[:, triangles].flatten(0, 1)
    normals, det = _edge_functions(corners)
    boxes, counts = _boxes(corners, det, height, width)
    last = counts.cumsum(0)
    depths = clip.new_full((images * height * width,), torch.inf)
    winner = torch.full(depths.shape, faces, dtype=torch.long, device=clip.device)
    for start in range(0, int(last[-1]) if len(last) else 0, _FRAGMENTS):
        fragment = torch.arange(start, min(start + _FRAGMENTS, int(last[-1])), device=clip.device)
        item = torch.searchsorted(last, fragment, right=True)
        within = fragment - (last - counts)[item]
        left, right, top = boxes[item, 0], boxes[item, 1], boxes[item, 2]
        column, row = left + within % (right - left + 1), top + within // (right - left + 1)
        inside, depth = _test(normals, corners[..., 2], det, item, column, row, height, width)
        pixel = ((item // faces * height + row) * width + column)[inside]
        face = item[inside] % faces
        closest = depths.scatter_reduce(0, pixel, depth, "amin")
        winner[closest < depths] = faces
        tied = depth == closest[pixel]
        winner.scatter_reduce_(0, pixel[tied], face[tied], "amin")
        depths = closest
    return torch.where(winner == faces, -1, winner).to(torch.int32).reshape(images, height, width)


def _edge_functions(corners: Float[Tensor, "n 3 4"]) -> tuple[Float[Tensor, "n 3 3"], Float[Tensor, " n"]]:
    """Coefficients of X, Y and 1 in the three edge functions, turned so that inside is positive; the determinant.

    The determinant is zero for a triangle that is not drawn. Neighbours get exactly opposite functions on their common
    edge, also after rounding, hence no pixel centre between them is lost.
    """
    x, y, _, w = corners.unbind(-1)
    normals = torch.stack([_cross(y, w), _cross(w, x), _cross(x, y)], dim=-1)
    det = x[:, 0] * normals[:, 0, 0] + y[:, 0] * normals[:, 0, 1] + w[:, 0] * normals[:, 0, 2]
    scale = (x.abs() + y.abs() + w.abs()).prod(dim=-1)
    flat = ~(det.abs() > _SLIVER * scale) | ~corners.isfinite().all(dim=-1).all(dim=-1)
    turned = normals * torch.where(det < 0, -1.0, 1.0)[:, None, None]
    return turned, torch.where(flat, 0.0, det.abs())


def _boxes(corners: Tensor, det: Tensor, height: int, width: int) -> tuple[Int[Tensor, "n 4"], Int[Tensor, " n"]]:
    """First and last column, first and last row whose centres a triangle may hold, and how many pixels that makes."""
    w = corners[..., 3]
    crosses = (w <= 0).any(dim=-1)
    column = (corners[..., 0] / w + 1) * (width / 2) - 0.5
    row = (1 - corners[..., 1] / w) * (height / 2) - 0.5
    bounds = []
    for at, size in ((column, width), (row, height)):
        first = (at.amin(dim=-1) - _SLACK).ceil().clamp(0, size)
        final = (at.amax(dim=-1) + _SLACK).floor().clamp(-1, size - 1)
        bounds += [torch.where(crosses, 0, first), torch.where(crosses, size - 1, final)]
    box = torch.stack(bounds, dim=-1).nan_to_num(0.0).long()
    count = (box[:, 1] - box[:, 0] + 1).clamp(min=0) * (box[:, 3] - box[:, 2] + 1).clamp(min=0)
    return box, torch.where((det > 0) & (w > 0).any(dim=-1), count, 0)


def _test(
    normals: Tensor, z: Tensor, det: Tensor, item: Tensor, column: Tensor, row: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Which fragments are inside their triangles and the depth range, and the depths of these."""
    x, y = pixel_centres(row, column, height, width)
    a, b, c = normals[item].unbind(-1)
    edge = a * x[:, None] + (b * y[:, None] + c)
    inside = ((edge > 0) | ((edge == 0) & ((a > 0) | ((a == 0) & (b < 0))))).all(dim=-1)
    index = torch.nonzero(inside).flatten()
    e, at = edge[index], item[index]
    depth = (e[:, 0] * z[at, 0] + e[:, 1] * z[at, 1] + e[:, 2] * z[at, 2]) * (1 / det[at])
    inside_range = (depth >= -1) & (depth <= 1)
    return index[inside_range], depth[inside_range]

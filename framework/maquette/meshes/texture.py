"""UV unwrapping of meshes, and baking of textures by evaluating a colour function at each texel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array
from torch import Tensor

from maquette.errors import RunError
from maquette.kernels.numba_support import cached
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import find_pieces, weld

PADDING = 3  # texels between charts, and to the border of the atlas, so that bilinear lookups do not mix charts
EDGE_REACH = 0.75  # texels outside a triangle that still take its colour: a little more than half a texel's diagonal

ROUGH_DEG = 15.0  # mean angle between neighbouring faces from which on a mesh is smoothed before its charts are cut
SMOOTHINGS = 3  # of such a mesh: each vertex is moved half the way to the mean of its neighbours
FEWEST_SMOOTHED = 2000  # faces; large angles in smaller meshes are their shape

ColorFn = Callable[[Tensor, Tensor], Tensor]
"""Points [n, 3] and unit normals [n, 3], float32 on the CPU -> sRGB [n, 3], or other numbers [n, C], in [0, 1]."""


def unwrap(mesh: Mesh, texture_size: int) -> Mesh:
    """Cut the mesh along seams and lay it out in an atlas by xatlas; vertex normals stay smooth across seams.

    Args:
        mesh: any mesh with faces.
        texture_size: side of the planned texture in texels; sets the padding between charts.

    Returns:
        The same faces in the same order, with `uv` and `normals`, and seam vertices repeated. Charts stay
        `PADDING` texels from the border, so that viewers which repeat textures do not mix opposite borders.
    """
    import xatlas

    normals = mesh.vertex_normals()
    shape = _without_bumps(mesh)
    atlas = xatlas.Atlas()
    atlas.add_mesh(shape.vertices, shape.faces.astype(np.uint32), shape.vertex_normals())
    packing = xatlas.PackOptions()
    inner_size = texture_size - 2 * PADDING
    packing.resolution, packing.padding, packing.bilinear = inner_size, PADDING, True
    atlas.generate(xatlas.ChartOptions(), packing)
    origin, faces, uv = atlas[0]
    colors = None if mesh.vertex_colors is None else mesh.vertex_colors[origin]
    uv = (PADDING + np.clip(uv, 0, 1) * inner_size) / texture_size
    return Mesh(mesh.vertices[origin], faces, colors, uv, None, normals[origin])


def _without_bumps(mesh: Mesh) -> Mesh:
    """The mesh whose charts are cut: a rough one is smoothed first, or each of its bumps would become a chart."""
    if len(mesh.faces) < FEWEST_SMOOTHED or _roughness_deg(mesh) < ROUGH_DEG:
        return mesh
    place = weld(mesh.vertices)
    a, b = place[mesh.faces[:, [0, 1, 2, 1, 2, 0]]].reshape(-1, 2, 3).transpose(1, 0, 2).reshape(2, -1)
    count = place.max() + 1
    neighbours = coo_array((np.ones(2 * len(a)), (np.append(a, b), np.append(b, a))), shape=(count, count)).tocsr()
    neighbours.data[:] = 1
    degree = np.asarray(neighbours.sum(1)).reshape(-1, 1)
    vertices = np.zeros((count, 3))
    vertices[place] = mesh.vertices
    for _ in range(SMOOTHINGS):
        vertices = (vertices + neighbours @ vertices / np.maximum(degree, 1)) / 2
    return Mesh(vertices[place], mesh.faces)


def _roughness_deg(mesh: Mesh) -> float:
    """Mean angle between neighbouring faces, in degrees."""
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    pairs = find_pieces(mesh).pairs
    if not len(pairs):
        return 0.0
    cosine = (normal[pairs[:, 0]] * normal[pairs[:, 1]]).sum(1)
    return float(np.rad2deg(np.arccos(cosine.clip(-1, 1))).mean())


def bake(mesh: Mesh, color_fn: ColorFn, texture_size: int, chunk: int = 2**17) -> Mesh:
    """Bake a texture: each covered texel gets the colour at its point on the surface; see `bake_texels`."""
    return replace(mesh, texture=bake_texels(mesh, color_fn, texture_size, chunk))


def bake_texels(mesh: Mesh, color_fn: ColorFn, texture_size: int, chunk: int = 2**17) -> np.ndarray:
    """Bake an image in the mesh's atlas: each covered texel gets `color_fn` at its point on the surface.

    Texels that a triangle only touches are covered too; all others get the value of the nearest covered one, so that
    lookups at chart borders and in smaller mip levels do not bleed.

    Args:
        mesh: with `uv`, as `unwrap` gives it.
        color_fn: evaluated at surface points.
        texture_size: side of the square image in texels.
        chunk: points per query.

    Returns:
        [texture_size, texture_size, C] float32, with the first row at v = 1.

    Raises:
        RunError: a colour is not finite.
        ValueError: the mesh has no uv, or no texel is covered.
    """
    if mesh.uv is None:
        raise ValueError("bake needs a mesh with uv coordinates; call unwrap first")
    face, weights = rasterize_uv(mesh.uv, mesh.faces, texture_size)
    covered = face >= 0
    if not covered.any():
        raise ValueError("no texel is covered: the mesh has no faces, or its uv have no area")
    corners = mesh.faces[face[covered]]
    points = _interpolate(mesh.vertices, corners, weights[covered])
    normals = _interpolate(mesh.vertex_normals(), corners, weights[covered])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    colors = query_colors(color_fn, points, normals, chunk)
    texels = np.zeros((texture_size, texture_size, colors.shape[1]), np.float32)
    texels[covered] = colors
    row, column = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return texels[row, column]


def color_vertices(mesh: Mesh, color_fn: ColorFn, chunk: int = 2**17) -> Mesh:
    """Set vertex colours by `color_fn`; arguments as in `bake`."""
    normals = mesh.vertex_normals()
    return replace(mesh, vertex_colors=query_colors(color_fn, mesh.vertices, normals, chunk), normals=normals)


def query_colors(color_fn: ColorFn, points: np.ndarray, normals: np.ndarray, chunk: int = 2**17) -> np.ndarray:
    """Values of `color_fn` at n points with unit normals, [n, C] float32 clipped to [0, 1]; raises as `bake_texels`."""
    parts = []
    pairs = zip(torch.from_numpy(points).split(chunk), torch.from_numpy(normals).split(chunk), strict=True)
    with torch.no_grad():
        for some_points, some_normals in pairs:
            rgb = color_fn(some_points, some_normals)
            if rgb.ndim != 2 or len(rgb) != len(some_points):
                raise ValueError(
                    f"color_fn must give a row for each of {len(some_points)} points, not {list(rgb.shape)}"
                )
            parts.append(rgb.float().cpu().numpy())
    colors = np.concatenate(parts) if parts else np.zeros((0, 3), np.float32)
    if not np.isfinite(colors).all():
        raise RunError(f"{int((~np.isfinite(colors)).any(1).sum())} of {len(colors)} surface colours are not finite; "
                       "go back to an earlier checkpoint, or lower the learning rate")  # fmt: skip
    return colors.clip(0, 1)


def rasterize_uv(uv: np.ndarray, faces: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rasterise a UV layout: the face of each texel, and barycentric weights on it.

    The centre of texel (row i, column j) is at u = (j + 1/2) / size, v = 1 - (i + 1/2) / size. A texel belongs to the
    face in which its centre lies deepest, or, up to `EDGE_REACH` texels outside all, to the one it is closest to.

    Args:
        uv: [V, 2] in [0, 1].
        faces: [F, 3].
        size: side of the texture in texels.

    Returns:
        face [size, size] int64, -1 where there is none; barycentric weights [size, size, 3] float32.
    """
    corners = uv.astype(np.float64)[faces] * size
    corners[..., 1] = size - corners[..., 1]
    return _rasterize(corners - 0.5, size)


@cached()
def _rasterize(corners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:  # pragma: no cover - compiled
    """`corners` [F, 3, 2] are (column, row) with texel centres at whole numbers."""
    face = np.full((size, size), -1, np.int64)
    depth = np.full((size, size), -EDGE_REACH)  # distance from the face's border, negative outside
    weights = np.zeros((size, size, 3), np.float32)
    barycentric = np.zeros(3)
    for f in range(len(corners)):
        (ax, ay), (bx, by), (cx, cy) = corners[f]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-12:
            continue
        sides = (np.hypot(cx - bx, cy - by), np.hypot(ax - cx, ay - cy), np.hypot(bx - ax, by - ay))
        for y in range(max(0, int(min(ay, by, cy) - 1)), min(size, int(max(ay, by, cy)) + 2)):
            for x in range(max(0, int(min(ax, bx, cx) - 1)), min(size, int(max(ax, bx, cx)) + 2)):
                barycentric[0] = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area
                barycentric[1] = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area
                barycentric[2] = 1 - barycentric[0] - barycentric[1]
                inside = min(barycentric[0] / sides[0], barycentric[1] / sides[1], barycentric[2] / sides[2]) * abs(
                    area
                )
                if inside < 0 and inside > depth[y, x]:
                    inside = -_closest_on_border(corners[f], x, y, barycentric)
                if inside > depth[y, x]:
                    depth[y, x], face[y, x], weights[y, x] = inside, f, barycentric
    return face, weights


@cached()
def _closest_on_border(
    corners: np.ndarray, x: float, y: float, weights: np.ndarray
) -> float:  # pragma: no cover - compiled
    """Distance from (x, y) to the closest point on a triangle's border; writes the point's barycentric weights."""
    best = np.inf
    for i in range(3):
        j = (i + 1) % 3
        dx, dy = corners[j, 0] - corners[i, 0], corners[j, 1] - corners[i, 1]
        along = ((x - corners[i, 0]) * dx + (y - corners[i, 1]) * dy) / (dx * dx + dy * dy)
        along = min(max(along, 0.0), 1.0)
        distance = np.hypot(corners[i, 0] + along * dx - x, corners[i, 1] + along * dy - y)
        if distance < best:
            best = distance
            weights[:] = 0
            weights[i], weights[j] = 1 - along, along
    return best


def _interpolate(values: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nkd->nd", weights, values[corners]).astype(np.float32)

"""Colours of a mesh from posed pictures of it: visible pictures are blended, unseen surface is filled from seen one."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt, maximum_filter, minimum_filter
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional

from maquette.cameras.base import Cameras
from maquette.data.formats import PosedImages
from maquette.errors import RunError
from maquette.images.picture import Picture
from maquette.kernels.rasterise import interpolate, rasterise
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import ColorFn, bake, color_vertices, unwrap
from maquette.meshes.topology import weld_positions

DEPTH_SIZE = 256  # rows of the depth maps that decide visibility; larger pictures have maps of their own size
FACING_POWER = 4  # a picture weighs as this power of the cosine between the normal and the direction to its camera
MATTE_ALPHA = 0.5  # alpha from which on a pixel is the object's
BORDER = 1.0  # pixels along a matte's border or a jump in depth whose colour may be that of what lies behind
SAFE_BORDER = 2.5  # pixels from borders and jumps from which on a picture has its full weight
BORDER_WEIGHT = 0.02  # share of the full weight on the border itself
THIN = 2.0  # pixels; parts of the object further than this from any pixel inside keep the colours of their border
JUMP = 0.03  # difference of neighbouring depths that separates two surfaces, in units of the mesh's extent
SHARPNESS = 3  # power of the weights in the colour that the pictures are compared with
SHADING = 1.4  # ratio of brightness up to which two pictures agree: they may be lit from different sides
CONTRADICTION = 0.1  # difference of colours apart from brightness, in [0, 1], at which a picture fades out
LEAST_CONFIDENCE = 3e-4  # sum of weights at which a surface's colour is half its pictures', half its neighbours'
CERTAIN = 0.01  # sum of weights from which on it is its pictures' alone
DIFFUSION = (
    1e-3  # weight of differences along an edge, relative to the pictures' weights, when unseen surface is filled
)
FILL_EDGE = 0.025  # longest edge of the mesh on which unseen surface is filled, in units of the extent
NORMAL_REACH = 0.1  # distance at which vertices count as when their normals differ by 1, in units of the extent
NEIGHBOURS = 3  # vertices of that mesh from which the colour of unseen surface is interpolated
MOST_SPLITS = 8  # times that an edge of that mesh is halved at most


def texture_from_views(mesh: Mesh, views: PosedImages, texture_size: int) -> Mesh:
    """The mesh with a texture made of posed pictures of it.

    Args:
        mesh: closed and wound outward; its `uv` are kept, and made by `unwrap` if it has none.
        views: pictures with mattes.
        texture_size: side of the texture in texels.

    Raises:
        RunError: no picture shows any of the mesh.
    """
    cut = unwrap(mesh, texture_size) if mesh.uv is None else mesh
    return bake(cut, color_from_views(mesh, views), texture_size)


def vertex_colors_from_views(mesh: Mesh, views: PosedImages) -> Mesh:
    """The mesh with vertex colours made of posed pictures of it; arguments as in `texture_from_views`."""
    return color_vertices(mesh, color_from_views(mesh, views))


def color_from_views(mesh: Mesh, views: PosedImages) -> ColorFn:
    """The colours of a mesh's surface as posed pictures show it, for `bake` and `color_vertices`.

    A picture weighs as cos^4 of the angle under which it sees a point, less near its matte's border and near jumps in
    depth, and nothing where it does not see the point. Pictures that contradict the one that sees it best fade out, so
    that nothing is drawn twice. What no picture sees well continues the colours around it along the surface.

    Args:
        mesh: closed and wound outward.
        views: pictures with mattes.

    Raises:
        RunError: no picture shows any of the mesh.
    """
    return _ViewColors(mesh, views.to("cpu"))


class _ViewColors:
    def __init__(self, mesh: Mesh, views: PosedImages) -> None:
        extent = float(np.ptp(mesh.bounds, axis=0).max())
        self._views = [_View(mesh, extent, views[torch.tensor([i])]) for i in range(len(views))]
        self._reach = NORMAL_REACH * extent
        fill = _fine_mesh(mesh, FILL_EDGE * extent)
        normals = fill.vertex_normals()
        colors, confidence = self._blend(torch.from_numpy(fill.vertices), torch.from_numpy(normals))
        if not float(confidence.max()) > 0:
            raise RunError(
                f"none of the {len(views)} pictures shows the mesh, so there is nothing to color it with; "
                "look at the mattes of the pictures and at their cameras"
            )
        self._fill_colors = _diffuse(colors.numpy(), confidence.numpy(), fill.faces)
        self._tree = cKDTree(np.concatenate([fill.vertices, self._reach * normals], axis=1))

    def __call__(self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        colors, confidence = self._blend(points, normals)
        doubtful = confidence < CERTAIN
        if bool(doubtful.any()):
            weight = (confidence / (confidence + LEAST_CONFIDENCE))[doubtful, None]
            around = self._diffused(points[doubtful].numpy(), normals[doubtful].numpy())
            colors[doubtful] = weight * colors[doubtful] + (1 - weight) * around
        return colors

    def _diffused(self, points: np.ndarray, normals: np.ndarray) -> Float[Tensor, "n 3"]:
        """Colours of the nearest vertices, at which normals are alike, so that the far side of a wall is far away."""
        distance, nearest = self._tree.query(np.concatenate([points, self._reach * normals], axis=1), NEIGHBOURS)
        weights = 1 / np.maximum(distance, 1e-6 * self._reach)
        weights /= weights.sum(1, keepdims=True)
        return torch.from_numpy(np.einsum("nk,nkd->nd", weights, self._fill_colors[nearest])).float()

    def _blend(
        self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]
    ) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
        """Colours of points as the pictures show them, and the sum of the pictures' weights."""
        both = [view(points, normals) for view in self._views]
        colors, weights = torch.stack([color for color, _ in both]), torch.stack([weight for _, weight in both])
        best = _weighted_mean(colors, weights**SHARPNESS)
        brightness = (colors * best).sum(-1) / best.square().sum(-1).clamp(min=1e-6)
        difference = colors - brightness.clamp(1 / SHADING, SHADING)[..., None] * best
        agreeing = weights * torch.exp(-difference.square().mean(-1) / (2 * CONTRADICTION**2))
        return _weighted_mean(colors, agreeing), weights.sum(0)


def _weighted_mean(colors: Float[Tensor, "v n 3"], weights: Float[Tensor, "v n"]) -> Float[Tensor, "n 3"]:
    return torch.einsum("vn,vnd->nd", weights / weights.sum(0).clamp(min=1e-30), colors)


class _View:
    """One picture: at points of the mesh, its colours and weights."""

    def __init__(self, mesh: Mesh, extent: float, view: PosedImages) -> None:
        self._cameras = cameras = view.cameras
        factor = 1 if cameras.window is not None else max(1, round(DEPTH_SIZE / cameras.height))
        depth = _depth_map(mesh, cameras, factor)
        self._depth, self._pixel = torch.from_numpy(depth)[None], 1 / float(cameras.focal[0]) / factor
        self._depth_trust = _depth_trust(depth, JUMP * extent, factor)
        self._colors, border_distance = _without_border(view.picture)
        self._matte_trust = _trust(border_distance, BORDER_WEIGHT * (border_distance > 0))

    def __call__(
        self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]
    ) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
        """Colours [n, 3] of points with unit normals, and weights [n], 0 where the picture does not see them."""
        clip = self._cameras.clip_positions(points, *_near_far(points, self._cameras))[0]
        depth, ahead = clip[:, 3], clip[:, 3] > 0
        place = clip[:, :2] / torch.where(ahead, depth, 1.0)[:, None] * torch.tensor([1.0, -1.0])
        offsets = self._cameras.c2w[0, :3, 3] - points
        cosine = (functional.normalize(offsets, dim=-1) * normals).sum(-1).clamp(0, 1)
        slope = (1 / cosine.clamp(min=0.1).square() - 1).sqrt()
        tolerance = (1 + slope) * self._pixel * depth  # the map's depth is that of a pixel's centre
        visible = ahead & (place.abs() <= 1).all(-1) & (depth <= _look_up(self._depth, place, "nearest")[0] + tolerance)
        trust = _look_up(self._matte_trust, place, "bilinear")[0] * _look_up(self._depth_trust, place, "bilinear")[0]
        colors = _look_up(self._colors, place, "bicubic").clamp(0, 1).T
        return colors, visible * cosine**FACING_POWER * trust


def _look_up(image: Float[Tensor, "C H W"], place: Float[Tensor, "n 2"], mode: str) -> Float[Tensor, "C n"]:
    """An image at places x, y in [-1, 1], right and down, clamped at its border."""
    return functional.grid_sample(image[None], place[None, None], mode, "border", align_corners=False)[0, :, 0]


def _near_far(points: Float[Tensor, "n 3"], cameras: Cameras) -> tuple[float, float]:
    distance = (points - cameras.c2w[0, :3, 3]).norm(dim=-1)
    return max(1e-3, 0.1 * float(distance.min())), 2 * float(distance.max()) + 1


def _depth_map(mesh: Mesh, cameras: Cameras, factor: int) -> np.ndarray:
    """Distances along the viewing axis [H, W], at `factor` times the picture's resolution; inf beside the mesh."""
    vertices, triangles = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)
    clip = cameras.clip_positions(vertices, *_near_far(vertices, cameras))
    raster = rasterise(clip, triangles, cameras.height * factor, cameras.width * factor)
    depth = interpolate(clip[..., 3:].contiguous(), raster, triangles)[0, ..., 0]
    return torch.where(raster.covered[0], depth, torch.inf).numpy()


def _depth_trust(depth: np.ndarray, jump: float, factor: int) -> Float[Tensor, "1 H W"]:
    """Weights by the distance from where the depth [H, W] jumps; along a jump, what lies behind weighs nothing."""
    covered = np.isfinite(depth)
    jumps = maximum_filter(np.where(covered, depth, -np.inf), 3) - minimum_filter(depth, 3) > jump
    behind = np.where(covered, depth, 0) - minimum_filter(depth, 2 * math.ceil(SAFE_BORDER * factor) + 1) > jump
    return _trust(_distance_inside(covered & ~jumps) / factor, BORDER_WEIGHT * ~behind)


def _distance_inside(mask: np.ndarray) -> np.ndarray:
    """Distance in pixels [H, W] from a pixel's centre to the border of the mask around it; 0 outside."""
    distance = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    return np.maximum(distance - 0.5, 0)


def _trust(distance: np.ndarray, least: np.ndarray) -> Float[Tensor, "1 H W"]:
    """Weights of pixels by their distance from a border."""
    ramp = (distance - BORDER) / (SAFE_BORDER - BORDER)
    return torch.from_numpy(np.clip(ramp, least, 1).astype(np.float32))[None]


def _without_border(picture: Picture) -> tuple[Float[Tensor, "3 H W"], np.ndarray]:
    """Colours of one picture, and distances in pixels [H, W] to its matte's border, 0 outside.

    Pixels on the border and beside the object have the colour of the nearest pixel that is safely inside, so that no
    lookup mixes in background; parts too thin to have an inside keep their own colours.
    """
    distance = _distance_inside(picture.alpha[0, ..., 0].numpy() >= MATTE_ALPHA)
    matte, inner = distance > 0, distance > BORDER
    thin = matte & (distance_transform_edt(~inner) > THIN) if inner.any() else matte
    color = picture.color[0].numpy()
    if (inner | thin).any():
        row, column = distance_transform_edt(~(inner | thin), return_distances=False, return_indices=True)
        color = color[row, column]
    return torch.from_numpy(color).permute(2, 0, 1).contiguous().float(), distance


def _fine_mesh(mesh: Mesh, longest_edge: float) -> Mesh:
    """The mesh with vertices at equal places joined, and faces split until no edge is longer than `longest_edge`."""
    from trimesh.remesh import subdivide_to_size

    vertices, faces = mesh.vertices, mesh.faces
    ends = vertices[faces] - vertices[np.roll(faces, 1, axis=1)]
    if float(np.linalg.norm(ends, axis=-1).max()) > longest_edge:
        vertices, faces = subdivide_to_size(vertices, faces, longest_edge, max_iter=MOST_SPLITS)
    positions, place = weld_positions(vertices)
    return Mesh(positions, place[faces])


def _diffuse(colors: np.ndarray, confidence: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Colours [V, 3] that keep to those given where confidence [V] is high, and vary least over the mesh elsewhere.

    They minimise sum_v w_v |x_v - c_v|^2 + DIFFUSION sum_edges |x_a - x_b|^2, with the confidence w. Pieces that no
    picture sees get the mean colour.
    """
    count = len(colors)
    mean = confidence @ colors / confidence.sum()
    ends = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    a, b = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0).T
    adjacency = coo_array((np.ones(len(a)), (a, b)), shape=(count, count)).tocsr()
    adjacency = adjacency + adjacency.T
    laplacian = diags_array(np.asarray(adjacency.sum(1)).reshape(-1)) - adjacency
    least = 1e-6 * DIFFUSION
    system = (diags_array(confidence.astype(np.float64) + least) + DIFFUSION * laplacian).tocsc()
    return splu(system).solve(confidence[:, None] * colors + least * mean)

"""Vertex colours of a mesh from posed pictures of the object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional

from maquette.cameras.base import Cameras
from maquette.data.formats import PosedImages
from maquette.kernels.rasterise import interpolate, rasterise
from maquette.meshes.mesh import Mesh

NEAR, FAR = 0.01, 100.0  # of the cameras, scene units
DEPTH_PIXELS = 256  # side of the depth maps that decide what is visible, at least
DEPTH_TOLERANCE = 0.02  # by which a visible point may lie behind the depth map, scene units
EXPONENT = 4  # of the cosine between normal and view, in a view's weight
LEAST_WEIGHT = 1e-3  # of all views together, below which a vertex counts as unseen


@torch.no_grad()
def color_vertices(mesh: Mesh, views: PosedImages) -> Mesh:
    """The mesh with colours at its vertices: the mean over the views that see it, by cosine^4 and eroded alpha.

    Vertices that no view sees get the colour of the nearest one that is seen; without any, all are grey.
    """
    views = views.to("cpu")
    vertices, normals = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.vertex_normals().copy())
    total, weight = torch.zeros(len(vertices), 3), torch.zeros(len(vertices), 1)
    for i in range(len(views)):
        one = views[i : i + 1]
        clip = one.cameras.clip_positions(vertices, NEAR, FAR)
        place = clip[0, :, :2] / clip[0, :, 3:].clamp(min=NEAR) * torch.tensor([1.0, -1.0])
        alpha = one.picture.alpha.permute(0, 3, 1, 2)
        eroded = -functional.max_pool2d(-alpha, 3, stride=1, padding=1)
        layers = torch.cat([one.picture.color.permute(0, 3, 1, 2) * alpha, alpha, eroded], dim=1)
        values = functional.grid_sample(layers, place[None, None], align_corners=False)[0, :, 0].T
        towards = functional.normalize(one.cameras.c2w[0, :3, 3] - vertices, dim=-1)
        cosine = (normals * towards).sum(-1, keepdim=True).clamp(min=0)
        view_weight = cosine**EXPONENT * values[:, 4:] * visible(mesh, one.cameras)[:, None]
        total += view_weight * values[:, :3] / values[:, 3:4].clamp(min=1e-6)
        weight += view_weight
    is_visible = (weight[:, 0] > LEAST_WEIGHT).numpy()
    colors = np.full((len(vertices), 3), 0.5, np.float32)
    if is_visible.any():
        colors[is_visible] = (total / weight.clamp(min=1e-6)).clamp(0, 1).numpy()[is_visible]
        nearest = np.flatnonzero(is_visible)[cKDTree(mesh.vertices[is_visible]).query(mesh.vertices[~is_visible])[1]]
        colors[~is_visible] = colors[nearest]
    return replace(mesh, vertex_colors=colors)


def visible(mesh: Mesh, cameras: Cameras) -> Float[Tensor, " V"]:
    """1 for the vertices within the picture that no face hides from the one camera, else 0."""
    vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)
    scale = max(1, DEPTH_PIXELS // cameras.height)
    clip = cameras.clip_positions(vertices, NEAR, FAR)
    raster = rasterise(clip, faces, cameras.height * scale, cameras.width * scale)
    depth = interpolate(clip[..., 3:], raster, faces)[..., 0]
    depth = torch.where(raster.covered, depth, FAR)[:, None]
    place = clip[:, None, :, :2] / clip[:, None, :, 3:].clamp(min=NEAR) * torch.tensor([1.0, -1.0])
    nearest = functional.grid_sample(depth, place, mode="nearest", align_corners=False)[0, 0, 0]
    in_picture = (place[0, 0].abs() <= 1).all(-1)
    return ((clip[0, :, 3] <= nearest + DEPTH_TOLERANCE) & in_picture).float()

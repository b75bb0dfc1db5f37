"""Pictures of a textured mesh by the rasteriser, unlit, framed so that the object fills them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.images.picture import Picture
from maquette.kernels.rasterise import (
    Raster,
    antialias,
    edge_topology,
    interpolate,
    interpolate_derivatives,
    rasterise,
    sample_texture,
)
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import weld_positions
from maquette.scene import RenderedViews, Viewpoint

FILLED = 0.95  # of the picture's side by a ball around the object
NO_COLOR = 0.7  # grey of a mesh without colours


class MeshDrawing:
    """Draws a mesh from cameras around it.

    Args:
        mesh: with a texture, with vertex colours, or plain grey.
        view: distance and angle of view of `render`'s cameras; the mesh is centred and scaled for them.
    """

    def __init__(self, mesh: Mesh, view: Viewpoint | None = None) -> None:
        self._view = view or Viewpoint()
        positions, place = weld_positions(mesh.vertices)
        self._positions = torch.from_numpy(positions)
        self._framed = torch.from_numpy(_framed(positions, self._view))
        self._corners = torch.from_numpy(mesh.faces)
        self._triangles = torch.from_numpy(place[mesh.faces])
        self._topology = edge_topology(self._triangles)
        self._normals = torch.from_numpy(mesh.vertex_normals())
        self._mesh = mesh

    def render(self, azimuth_deg: Sequence[float], elevation_deg: float, size: int) -> RenderedViews:
        """Square pictures over white; arguments as in `maquette.export.base.Subject.render`."""
        one = torch.ones(len(azimuth_deg))
        distance, fov_deg = self._view.distance * one, self._view.fov_y_deg * one
        cameras = orbit_cameras(
            torch.tensor(azimuth_deg, dtype=torch.float32), elevation_deg * one, distance, fov_deg, size
        )
        return self._draw(cameras, self._framed)

    def render_cameras(self, cameras: Cameras) -> RenderedViews:
        """Pictures over white from any cameras, the mesh at its own place."""
        return self._draw(cameras.to("cpu"), self._positions)

    def _draw(self, cameras: Cameras, vertices: Float[Tensor, "V 3"]) -> RenderedViews:
        nearest, farthest = float(cameras.distance.min()), float(cameras.distance.max())
        clip = cameras.clip_positions(vertices, 0.05 * nearest, 2 * farthest)
        raster = rasterise(clip, self._triangles, cameras.height, cameras.width, derivatives=True)
        covered = raster.covered[..., None].float()
        normal = functional.normalize(interpolate(self._normals, raster, self._corners), dim=-1)
        depth = self._depth(cameras, raster, vertices)
        values = torch.cat([self._colors(raster, self._corners), covered, depth, normal], dim=-1)
        values = antialias(values * covered, raster, clip, self._triangles, self._topology)
        alpha = values[..., 3:4].clamp(0, 1)
        straight = values / alpha.clamp(min=1e-6)
        picture = Picture(straight[..., :3].clamp(0, 1), alpha)
        return RenderedViews(
            picture.over(1.0), picture, straight[..., 4:5], functional.normalize(values[..., 5:], dim=-1)
        )

    def _depth(self, cameras: Cameras, raster: Raster, vertices: Float[Tensor, "V 3"]) -> Float[Tensor, "B H W 1"]:
        points = interpolate(vertices, raster, self._triangles)
        return (points - cameras.c2w[:, None, None, :3, 3]).norm(dim=-1, keepdim=True)

    def _colors(self, raster: Raster, corners: Int[Tensor, "F 3"]) -> Float[Tensor, "B H W 3"]:
        mesh = self._mesh
        if mesh.texture is not None and mesh.uv is not None:
            uv = torch.from_numpy(mesh.uv) * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0])
            place, change = interpolate(uv, raster, corners), interpolate_derivatives(uv, raster, corners)
            texture = torch.from_numpy(mesh.texture)[None]
            return sample_texture(texture, place, change.flatten(-2), "trilinear", "clamp")
        if mesh.vertex_colors is not None:
            return interpolate(torch.from_numpy(mesh.vertex_colors), raster, corners)
        return torch.full((*raster.covered.shape, 3), NO_COLOR)


def _framed(vertices: np.ndarray, view: Viewpoint) -> np.ndarray:
    """Vertices moved and scaled so that the smallest upright box's middle is looked at, and the picture is filled."""
    middle = (vertices.min(0) + vertices.max(0)) / 2
    reach = float(np.linalg.norm(vertices - middle, axis=1).max())
    radius = FILLED * view.distance * float(np.sin(np.deg2rad(view.fov_y_deg / 2)))
    return (vertices - middle) * (radius / max(reach, 1e-12))

"""A rasteriser of meshes with deferred shading and antialiased silhouettes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Positive, Range
from maquette.backgrounds.base import Background
from maquette.config.capabilities import RENDERED_MESH, RENDERED_NORMAL, Capabilities
from maquette.geometry.base import Surface
from maquette.kernels.rasterise import antialias, edge_topology, interpolate, rasterise
from maquette.materials.base import Material, ShadingPoints
from maquette.registry import register
from maquette.renderers.base import Renderer, Rendering, View, renderer_capabilities


@register("renderer", "mesh")
class MeshRenderer(Renderer):
    """Rasterisation, deferred shading, and analytic antialiasing that gives silhouettes gradients.

    Source: Laine et al. 2020 (nvdiffrast, arXiv 2011.03277).
    """

    exempt: ClassVar = {"nan": "a triangle with such a corner is not drawn"}

    @dataclass(frozen=True)
    class Config:
        near: Positive = 0.1  # scene units
        far: Positive = 100.0  # scene units
        supersampling: Annotated[int, Range(1, 16)] = (
            1  # pictures are rendered this many times larger per side and averaged
        )
        backend: str = "auto"  # of the kernel

        def __post_init__(self) -> None:
            if self.near >= self.far:
                raise ValueError(f"near ({self.near:g}) is nearer than far ({self.far:g})")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return renderer_capabilities("surface", RENDERED_NORMAL, RENDERED_MESH)

    def __init__(self, config: Config, bound: float) -> None:
        super().__init__()
        self.config, self.bound = config, bound

    def render(self, geometry: Surface, material: Material, background: Background, view: View) -> Rendering:
        c, cameras = self.config, view.cameras
        height, width = cameras.height * c.supersampling, cameras.width * c.supersampling
        mesh = geometry.mesh()
        clip = cameras.clip_positions(mesh.vertices, c.near, c.far)
        raster = rasterise(clip, mesh.triangles, height, width, derivatives=geometry.filters, backend=c.backend)
        covered = raster.covered
        attributes = torch.cat([mesh.vertices, mesh.vertex_normals()], dim=-1)
        at = interpolate(attributes, raster, mesh.triangles, backend=c.backend)[covered]
        points, normal = at[:, :3], functional.normalize(at[:, 3:], dim=-1, eps=1e-6)
        camera_of = covered.nonzero()[:, 0]
        offsets = points - cameras.c2w[camera_of, :3, 3]
        depth = offsets.norm(dim=-1, keepdim=True)
        lights = cameras.light[camera_of]
        features = geometry.features_at(points, raster, c.backend)
        color = material.shade(ShadingPoints(features, points, normal, offsets / depth, lights), view.shading)
        values = torch.cat([color, torch.ones_like(depth), depth, normal], dim=-1)
        picture = values.new_zeros(*covered.shape, 8).masked_scatter(covered[..., None], values)
        picture = antialias(picture, raster, clip, mesh.triangles, edge_topology(mesh.triangles), backend=c.backend)
        if c.supersampling > 1:
            pooled = functional.avg_pool2d(picture.permute(0, 3, 1, 2), c.supersampling)
            picture = pooled.permute(0, 2, 3, 1)
        opacity = picture[..., 3:4]
        behind = background(cameras.rays()[1], view.draws)
        return Rendering(
            rgb=picture[..., :3] + (1 - opacity) * behind,
            opacity=opacity,
            depth=picture[..., 4:5] / opacity.clamp(min=1e-5),
            normal=_limit_length(picture[..., 5:8]) if view.normals else None,
            samples=None,
            shading=view.shading,
            background=behind,
            mesh=mesh,
        )


def _limit_length(normal: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W 3"]:
    """Limit the length of blended normals to 1."""
    return normal / normal.norm(dim=-1, keepdim=True).clamp(min=1.0)

"""A renderer of Gaussian clouds by splatting."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Positive
from maquette.backgrounds.base import Background
from maquette.cameras.base import Cameras, Window
from maquette.config.capabilities import RENDERED_NORMAL, RENDERED_PROJECTIONS, Capabilities
from maquette.geometry.base import GaussianCloud, Splats
from maquette.kernels.rotations import rotation_matrices
from maquette.kernels.splatting import Projected, project, spherical_harmonics, splat
from maquette.materials.base import Material, Shading, ShadingPoints
from maquette.registry import register
from maquette.renderers.base import Renderer, Rendering, View, renderer_capabilities


@register("renderer", "splat")
class Splat(Renderer):
    """Gaussian splatting: each Gaussian is shaded once per view, then all are composited front to back.

    The normal of an ellipsoid is its shortest axis, that of a disk its axis; both are oriented towards the camera.

    Source: Kerbl et al. 2023 (3DGS, arXiv 2308.04079); Huang et al. 2024 (2DGS, arXiv 2403.17888).
    """

    @dataclass(frozen=True)
    class Config:
        near: Positive = 0.1  # scene units; nearer Gaussians are not rendered
        compensate: bool = True  # reduce the opacity of Gaussians smaller than a pixel, as Mip-Splatting
        backend: str = "auto"  # of the kernel

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return renderer_capabilities("splats", RENDERED_NORMAL, RENDERED_PROJECTIONS)

    def __init__(self, config: Config, bound: float) -> None:
        super().__init__()
        self.config, self.bound = config, bound

    def render(self, geometry: Splats, material: Material, background: Background, view: View) -> Rendering:
        cloud, cameras = geometry.splats(), view.cameras
        pictures, projections = [], []
        for i in range(len(cameras)):
            picture, projection = self._view(cloud, material, cameras[i : i + 1], view.shading)
            pictures.append(picture)
            projections.append(projection)
        images = torch.stack(pictures)
        directions = cameras.rays()[1]
        opacity, behind = images[..., 6:7], background(directions, view.draws)
        forward = -cameras.c2w[:, None, None, :3, 2]
        cosine = (directions * forward).sum(-1, keepdim=True)  # from depth along the axis to distance along the ray
        normal = images[..., 3:6]
        return Rendering(
            rgb=images[..., :3] + (1 - opacity) * behind,
            opacity=opacity,
            depth=images[..., 7:8] / cosine,
            normal=normal / normal.norm(dim=-1, keepdim=True).clamp(min=1.0) if view.normals else None,
            samples=None,
            shading=view.shading,
            background=behind,
            projections=tuple(projections),
        )

    def _view(
        self, cloud: GaussianCloud, material: Material, camera: Cameras, shading: Shading
    ) -> tuple[Float[Tensor, "H W 8"], Projected]:
        c2w, position, frame = camera.c2w[0], camera.c2w[0, :3, 3], camera.full_frame
        projection = project(
            cloud.means, cloud.quaternions, cloud.scales, c2w, float(camera.focal[0]), frame.height, frame.width,
            near=self.config.near, mode="2d" if cloud.flat else "3d", backend=self.config.backend,
        )  # fmt: skip
        if camera.window is not None:
            projection = _crop_projection(projection, camera.window, camera.height, camera.width)
        if projection.means.requires_grad:
            projection.means.retain_grad()  # densification reads these gradients
        directions = functional.normalize(cloud.means.detach() - position, dim=-1)
        features = spherical_harmonics(directions, cloud.harmonics, cloud.degree)
        normal = projection.normals if projection.normals is not None else _shortest_axes(cloud, directions)
        lights = camera.light.expand_as(cloud.means)
        color = material.shade(ShadingPoints(features, cloud.means, normal, directions, lights), shading)
        opacities = cloud.opacities * projection.compensation if self.config.compensate else cloud.opacities
        values = torch.cat([color, normal], dim=-1)
        image = splat(projection, opacities, values, backend=self.config.backend)
        return torch.cat([image.values, image.opacity[..., None], image.depth[..., None]], dim=-1), projection


def _crop_projection(whole: Projected, window: Window, height: int, width: int) -> Projected:
    """The projection to a part of the picture."""
    corner = whole.means.new_tensor([window.left, window.top])
    means = torch.where(whole.visible[:, None], whole.means - corner, 0.0)
    reach, size = whole.radii[:, None], whole.means.new_tensor([width, height])
    touches = ((means > -reach) & (means < size + reach)).all(-1)
    return replace(whole, means=means, visible=whole.visible & touches, height=height, width=width)


def _shortest_axes(cloud: GaussianCloud, directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    shortest = cloud.scales.argmin(dim=-1)[:, None, None].expand(-1, 3, 1)
    axes = rotation_matrices(cloud.quaternions).gather(2, shortest)[:, :, 0]
    return torch.where((axes * directions).sum(-1, keepdim=True) > 0, -axes, axes)

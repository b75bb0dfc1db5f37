"""Gaussians splatted onto the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.backgrounds.base import Background
from maquette.cameras.base import Cameras, Window
from maquette.config.capabilities import RENDERED_FOOTPRINTS, RENDERED_NORMAL, Capabilities
from maquette.geometry.base import GaussianCloud, Splats
from maquette.kernels.rotations import rotation_matrices
from maquette.kernels.splatting import Projected, project, spherical_harmonics, splat
from maquette.materials.base import Material, Shading, ShadingPoints
from maquette.registry import register
from maquette.renderers.base import Renderer, Rendering, View, draws_from


@register("renderer", "splat")
class Splat(Renderer):
    """Each Gaussian is shaded once per view, then all are composited front to back.

    The normal of an ellipsoid is its shortest axis, that of a disk its own; both face the camera.

    Source: Kerbl et al. 2023 (3DGS, arXiv 2308.04079); Huang et al. 2024 (2DGS, arXiv 2403.17888).
    """

    @dataclass(frozen=True)
    class Config:
        near: float = 0.1  # scene units; what is nearer is not drawn
        compensate: bool = True  # fade what is smaller than a pixel, as Mip-Splatting does
        backend: str = "auto"  # of the kernel

        def __post_init__(self) -> None:
            if self.near <= 0:
                raise ValueError(f"near is a distance above 0, not {self.near:g}")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return draws_from("splats", RENDERED_NORMAL, RENDERED_FOOTPRINTS)

    def __init__(self, config: Config, bound: float) -> None:
        super().__init__()
        self.config, self.bound = config, bound

    def render(self, geometry: Splats, material: Material, background: Background, view: View) -> Rendering:
        cloud, cameras = geometry.splats(), view.cameras
        pictures, footprints = [], []
        for i in range(len(cameras)):
            picture, footprint = self._view(cloud, material, cameras[i : i + 1], view.shading)
            pictures.append(picture)
            footprints.append(footprint)
        drawn = torch.stack(pictures)
        directions = cameras.rays()[1]
        opacity, behind = drawn[..., 6:7], background(directions, view.draws)
        forward = -cameras.c2w[:, None, None, :3, 2]
        slant = (directions * forward).sum(-1, keepdim=True)  # from depth along the axis to distance along the ray
        normal = drawn[..., 3:6]
        return Rendering(
            rgb=drawn[..., :3] + (1 - opacity) * behind,
            opacity=opacity,
            depth=drawn[..., 7:8] / slant,
            normal=normal / normal.norm(dim=-1, keepdim=True).clamp(min=1.0) if view.normals else None,
            samples=None,
            shading=view.shading,
            background=behind,
            footprints=tuple(footprints),
        )

    def _view(
        self, cloud: GaussianCloud, material: Material, camera: Cameras, shading: Shading
    ) -> tuple[Float[Tensor, "H W 8"], Projected]:
        c2w, position, frame = camera.c2w[0], camera.c2w[0, :3, 3], camera.full_frame
        footprint = project(
            cloud.means, cloud.quaternions, cloud.scales, c2w, float(camera.focal[0]), frame.height, frame.width,
            near=self.config.near, mode="2d" if cloud.flat else "3d", backend=self.config.backend,
        )  # fmt: skip
        if camera.window is not None:
            footprint = _within(footprint, camera.window, camera.height, camera.width)
        if footprint.means.requires_grad:
            footprint.means.retain_grad()  # what decides where the cloud grows
        directions = functional.normalize(cloud.means.detach() - position, dim=-1)
        features = spherical_harmonics(directions, cloud.harmonics, cloud.degree)
        normal = footprint.normals if footprint.normals is not None else _shortest_axes(cloud, directions)
        lights = camera.light.expand_as(cloud.means)
        color = material.shade(ShadingPoints(features, cloud.means, normal, directions, lights), shading)
        opacities = cloud.opacities * footprint.compensation if self.config.compensate else cloud.opacities
        values = torch.cat([color, normal], dim=-1)
        image = splat(footprint, opacities, values, backend=self.config.backend)
        return torch.cat([image.values, image.opacity[..., None], image.depth[..., None]], dim=-1), footprint


def _within(whole: Projected, window: Window, height: int, width: int) -> Projected:
    """The footprints as they lie on a part of the picture."""
    corner = whole.means.new_tensor([window.left, window.top])
    means = torch.where(whole.visible[:, None], whole.means - corner, 0.0)
    reach, size = whole.radii[:, None], whole.means.new_tensor([width, height])
    touches = ((means > -reach) & (means < size + reach)).all(-1)
    return replace(whole, means=means, visible=whole.visible & touches, height=height, width=width)


def _shortest_axes(cloud: GaussianCloud, directions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    shortest = cloud.scales.argmin(dim=-1)[:, None, None].expand(-1, 3, 1)
    axes = rotation_matrices(cloud.quaternions).gather(2, shortest)[:, :, 0]
    return torch.where((axes * directions).sum(-1, keepdim=True) > 0, -axes, axes)

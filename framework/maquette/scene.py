"""A scene: geometry, material, background and renderer together, as stages build it and exporters read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor, nn

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.config.capabilities import GEOMETRY_SDF
from maquette.errors import RunError
from maquette.geometry.base import GaussianCloud
from maquette.geometry.splat_cloud import SplatCloud
from maquette.images.picture import Picture
from maquette.kernels.gaussian_field import gaussian_field
from maquette.kernels.splatting import HARMONIC_0
from maquette.kernels.splatting.harmonics import harmonic_basis
from maquette.materials.base import Reflectance
from maquette.meshes.isosurface import extract
from maquette.meshes.mesh import Mesh
from maquette.renderers.base import View

SPLAT_LEVEL = 0.5  # density of Gaussians at their surface: half of what an opaque one has at its centre
SPLAT_GAP = 0.04  # largest radius of pinholes in a shell of Gaussians, in units of the cube's half side
DIRECTIONS = 64  # from which colours are sampled to find their harmonics
THINNEST = 0.01  # standard deviation of a Gaussian that is asked for its density, in units of the cube's half side


@dataclass(frozen=True)
class Viewpoint:
    """From where a finished scene is shown."""

    distance: float = 3.2  # scene units
    fov_y_deg: float = 35.0


class Scene(nn.Module):
    """The trained object; its parameters and buffers are all there is to it. It is an exporter's `Subject`."""

    def __init__(self, geometry: Any, material: Any, background: Any, renderer: Any, view: Viewpoint) -> None:
        super().__init__()
        self.geometry, self.material, self.background, self.renderer = geometry, material, background, renderer
        self.view = view
        self.bound: float = geometry.bound
        self._signed = GEOMETRY_SDF in geometry.capabilities(geometry.config).gives
        self.extracted: bool = geometry.form != "surface" or not geometry.explicit

    @property
    def device(self) -> torch.device:
        """Where the scene computes."""
        return next(self.parameters()).device

    @torch.no_grad()
    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Densities, 0 or more; only where the geometry is a field or splats."""
        points = points.to(self.device)
        if self.geometry.form != "splats":
            return self.geometry.density(points)
        cloud = self.geometry.splats()
        return self._cloud_at(points, cloud, cloud.opacities[:, None])[0]

    @torch.no_grad()
    def surface(self, resolution: int, threshold: float | Literal["auto"] = "auto") -> Mesh:
        """The boundary; see `maquette.export.base.Subject`."""
        if self.geometry.form == "splats":
            level = SPLAT_LEVEL if threshold == "auto" else threshold
            return extract(self.density, self.bound, resolution, level, SPLAT_GAP * self.bound)
        if self._signed and threshold == "auto":  # there is no need to guess
            return extract(self._nearness, self.bound, resolution, 1.0)
        if self.geometry.form == "field":
            return extract(self.density, self.bound, resolution, threshold)
        mesh = self.geometry.mesh()
        if not len(mesh.triangles):
            raise RunError("the surface is empty; start from a larger shape, or weigh sparsity less")
        return Mesh(mesh.vertices.cpu().numpy(), mesh.triangles.cpu().numpy())

    def _nearness(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """1 at the surface of a signed distance, more inside, 0 far outside."""
        return (1 - self.geometry.sdf(points.to(self.device)) / self.bound).clamp(min=0)

    @torch.no_grad()
    def color(self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Unlit colours in [0, 1]; see `maquette.export.base.Subject`."""
        return self._look(points, self.material.albedo)

    @torch.no_grad()
    def reflectance(self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> Reflectance | None:
        """Albedo, metal and roughness; see `maquette.export.base.Subject`."""
        if self.material.reflectance(torch.zeros(1, self.geometry.channels, device=self.device)) is None:
            return None
        look = self._look(points, lambda features: as_columns(self.material.reflectance(features)))
        return Reflectance(look[:, :3], look[:, 3:4], look[:, 4:])

    def _look(self, points: Float[Tensor, "n 3"], shown: Callable[[Tensor], Tensor]) -> Float[Tensor, "n C"]:
        """What `shown` makes of the features at points; of Gaussians, its mean over those around a point."""
        points = points.to(self.device)
        if self.geometry.form == "surface":
            return shown(self.geometry.features(points))
        if self.geometry.form == "field":
            return shown(self.geometry.query(points).features)
        cloud = self.geometry.splats()
        values = shown(cloud.harmonics[:, 0] * HARMONIC_0)  # as seen from nowhere in particular
        density, found = self._cloud_at(points, cloud, values)
        astray = density == 0
        if astray.any():
            _, nearest = cKDTree(cloud.means.cpu().numpy()).query(points[astray].cpu().numpy())
            found[astray] = values[torch.from_numpy(nearest).to(values.device)]
        return found

    @torch.no_grad()
    def splats(self, min_opacity: float) -> SplatCloud | None:
        """The Gaussians, with the harmonics that come nearest to the colours shown; see `Subject`."""
        if self.geometry.form != "splats":
            return None
        cloud: GaussianCloud = self.geometry.splats()
        directions = sphere_points(DIRECTIONS).to(self.device)
        basis = harmonic_basis(directions, cloud.degree)
        features = torch.einsum("dk,nkf->ndf", basis, cloud.harmonics)
        shown = self.material.albedo(features.flatten(0, 1)).reshape(len(cloud), DIRECTIONS, 3)
        harmonics = torch.einsum("kd,ndc->nkc", torch.linalg.pinv(basis), shown - 0.5)
        kept = cloud.opacities >= min_opacity
        quaternions = torch.nn.functional.normalize(cloud.quaternions, dim=-1)
        columns = (cloud.means, quaternions, cloud.extents, cloud.opacities, harmonics)
        return SplatCloud(*(column[kept].cpu().numpy() for column in columns))

    def _cloud_at(
        self, points: Float[Tensor, "n 3"], cloud: GaussianCloud, values: Float[Tensor, "g C"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n C"]]:
        """Density of the Gaussians around points, and the mean of a value that each of them carries.

        Gaussians are made at least THINNEST thick, so that a grid of points does not miss a flat one.
        """
        scales = cloud.extents.clamp(min=THINNEST * self.bound)
        return gaussian_field(points, cloud.means, cloud.quaternions, scales, cloud.opacities, values)

    @torch.no_grad()
    def render(
        self, azimuth_deg: Sequence[float], elevation_deg: float, size: int, normals: bool = True
    ) -> RenderedViews:
        """Unlit pictures from around the object; see `maquette.export.base.Subject`."""
        one = torch.ones(1, device=self.device)
        cameras = [
            orbit_cameras(one * azimuth, one * elevation_deg, one * self.view.distance, one * self.view.fov_y_deg, size)
            for azimuth in azimuth_deg
        ]
        return self.pictures(Cameras.cat(cameras), normals)

    @torch.no_grad()
    def pictures(self, cameras: Cameras, normals: bool = True) -> RenderedViews:
        """Unlit pictures from any cameras, one at a time; depth is distance along the rays."""
        views = [
            self.renderer.render(
                self.geometry, self.material, self.background, View(cameras[i : i + 1].to(self.device), normals=normals)
            )
            for i in range(len(cameras))
        ]
        rgb, opacity, depth, background = (
            torch.cat([getattr(view, name) for view in views]).cpu()
            for name in ("rgb", "opacity", "depth", "background")
        )
        normal = torch.cat([view.normal for view in views]).cpu() if normals else None
        rgb = rgb.clamp(0, 1)
        return RenderedViews(rgb, Picture.from_composited(rgb, opacity, background), depth, normal)


def sphere_points(count: int) -> Float[Tensor, "n 3"]:
    """Unit vectors spread evenly over the sphere, on a Fibonacci spiral."""
    index = torch.arange(count) + 0.5
    z, angle = 1 - 2 * index / count, math.pi * (1 + 5**0.5) * index
    ring = (1 - z * z).sqrt()
    return torch.stack([ring * angle.cos(), ring * angle.sin(), z], dim=-1)


def as_columns(reflectance: Reflectance) -> Float[Tensor, "n 5"]:
    """Albedo, metallic and roughness side by side."""
    return torch.cat([reflectance.albedo, reflectance.metallic, reflectance.roughness], dim=-1)


@dataclass(frozen=True, eq=False)
class RenderedViews:
    """Views of a subject, on the CPU.

    Args:
        rgb: sRGB in [0, 1], before the subject's own background.
        picture: the subject alone, to be put over another.
        depth: distance along the viewing direction, in scene units; None if the renderer has none.
        normal: world normals of length 1, or 0 where there is nothing; None if the renderer has none.
    """

    rgb: Float[Tensor, "B H W 3"]
    picture: Picture
    depth: Float[Tensor, "B H W 1"] | None = None
    normal: Float[Tensor, "B H W 3"] | None = None

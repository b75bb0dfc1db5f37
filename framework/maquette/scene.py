"""A scene: geometry, material, background and renderer together, built by stages and read by exporters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor, nn

from maquette.annotations import FovDeg, Positive
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.config.capabilities import GEOMETRY_SDF
from maquette.geometry.base import GaussianCloud
from maquette.geometry.paint import TexturePaint
from maquette.geometry.splat_cloud import SplatCloud
from maquette.images.picture import Picture
from maquette.kernels.gaussian_field import gaussian_field
from maquette.kernels.splatting import HARMONIC_0
from maquette.kernels.splatting.harmonics import harmonic_basis
from maquette.materials.base import Reflectance
from maquette.meshes.isosurface import auto_threshold, extract_surface
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.silhouettes import silhouette_threshold
from maquette.renderers.base import View

SPLAT_LEVEL = 0.5  # density of Gaussians at their surface: half of what an opaque one has at its centre
SPLAT_GAP = 0.04  # largest radius of pinholes in a shell of Gaussians, in units of the cube's half side
COLOR_DIRECTIONS = 64  # viewing directions at which colours are sampled, to fit spherical harmonics
FOG = 0.05  # distance before a volume's surface from which on fog counts to its colour, in units of the half side
INWARD_DEPTH = 0.4  # distance behind it that shows in its colour, in the same units
INWARD_SAMPLES = 28  # of densities and colours along both
SEEN_THROUGH = 0.01  # least transmittance with which a sample still counts
SILHOUETTES, SILHOUETTE_SIZE = 8, 64  # pictures, and their rows, with which a surface's threshold has to agree
SILHOUETTE_ELEVATIONS_DEG = (0.0, 40.0)  # in turn; methods train little below the horizon
LEAST_STD = 0.01  # standard deviation of Gaussians at least, where density is sampled, in units of the cube's half side


Threshold = float | Literal["auto", "silhouette"]
"""Density of a volume's surface; auto: half the typical density inside; silhouette: it covers what pictures cover."""


@dataclass(frozen=True)
class Viewpoint:
    """Camera distance and angle of view for renderings of a finished scene."""

    distance: Positive = 3.2  # scene units
    fov_y_deg: FovDeg = 35.0


class Scene(nn.Module):
    """The trained object: its parameters and buffers are its whole state. It implements the exporters' `Subject`."""

    def __init__(self, geometry: Any, material: Any, background: Any, renderer: Any, view: Viewpoint) -> None:
        super().__init__()
        self.geometry, self.material, self.background, self.renderer = geometry, material, background, renderer
        self.view = view
        self.bound: float = geometry.bound
        self._signed = GEOMETRY_SDF in geometry.capabilities(geometry.config).gives
        self.extracted: bool = geometry.form != "surface" or not geometry.explicit

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device

    @torch.no_grad()
    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Densities at points, 0 or more; only for fields and splats."""
        points = points.to(self.device)
        if self.geometry.form != "splats":
            return self.geometry.density(points)
        cloud = self.geometry.splats()
        return self._cloud_at(points, cloud, cloud.opacities[:, None])[0]

    @torch.no_grad()
    def surface(self, resolution: int, threshold: Threshold = "auto") -> Mesh:
        """The boundary as a mesh; see `maquette.export.base.Subject`."""
        if self.geometry.form == "splats":
            level = SPLAT_LEVEL if isinstance(threshold, str) else threshold
            return extract_surface(self.density, self.bound, resolution, level, SPLAT_GAP * self.bound)
        if self._signed and isinstance(threshold, str):  # the zero level set is known
            return extract_surface(self._inverted_distance, self.bound, resolution, 1.0)
        if self.geometry.form == "field":
            chosen = self._silhouette_level if threshold == "silhouette" else threshold
            return extract_surface(self.density, self.bound, resolution, chosen)
        mesh = self.geometry.mesh()
        if not len(mesh.triangles):
            raise EmptySurface("the surface is empty; start from a larger shape, or weigh sparsity less")
        return Mesh(mesh.vertices.cpu().numpy(), mesh.triangles.cpu().numpy())

    @torch.no_grad()
    def textured(self) -> Mesh | None:
        """An explicit mesh in its own atlas, with the material's colours; None for any other scene."""
        geometry = self.geometry
        if self.extracted or not isinstance(getattr(geometry, "paint", None), TexturePaint):
            return None
        surface, corners, uv = geometry.mesh(), geometry.corners, geometry.paint.uv

        def at_corners(values: Tensor) -> np.ndarray:
            repeated = values.new_zeros(len(uv), 3)
            repeated[corners] = values[surface.triangles]
            return repeated.cpu().numpy()

        features = geometry.paint.features
        texels = features.flatten(0, 1)
        texture = self.material.albedo(texels).reshape(*features.shape[:2], 3).cpu().numpy()
        reflectance, metallic_roughness = self.material.reflectance(texels), None
        if reflectance is not None:
            columns = torch.cat([reflectance.metallic, reflectance.roughness], dim=-1)
            metallic_roughness = columns.reshape(*features.shape[:2], 2).cpu().numpy()
        upward = torch.stack([uv[:, 0], 1 - uv[:, 1]], dim=-1).cpu().numpy()
        vertices, normals = at_corners(surface.vertices), at_corners(surface.vertex_normals())
        return Mesh(vertices, corners.cpu().numpy(), None, upward, texture, normals, metallic_roughness)

    def _silhouette_level(self, densities: np.ndarray) -> float:
        """The density whose level set has the same silhouettes as the scene's own pictures."""
        typical = auto_threshold(densities, self.bound, 2 * self.bound / (len(densities) - 1))
        one = torch.ones(SILHOUETTES, device=self.device)
        azimuth_deg = torch.arange(SILHOUETTES, device=self.device) * (360 / SILHOUETTES)
        turns = SILHOUETTES // len(SILHOUETTE_ELEVATIONS_DEG)
        elevation_deg = torch.tensor(SILHOUETTE_ELEVATIONS_DEG, device=self.device).repeat(turns)
        distance, fov_deg = self.view.distance * one, self.view.fov_y_deg * one
        cameras = orbit_cameras(azimuth_deg, elevation_deg, distance, fov_deg, SILHOUETTE_SIZE)
        opaque = self.render_cameras(cameras, normals=False).picture.alpha.flatten() > 0.5
        origins, directions = (rays.flatten(0, 2).cpu() for rays in cameras.rays())
        return silhouette_threshold(densities, self.bound, origins, directions, opaque, typical)

    def _inverted_distance(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """1 - distance / bound, cut at 0: 1 on the surface of a signed-distance field, more inside, 0 far outside."""
        return (1 - self.geometry.sdf(points.to(self.device)) / self.bound).clamp(min=0)

    @torch.no_grad()
    def color(self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Unlit colours in [0, 1]; see `maquette.export.base.Subject`."""
        return self._appearance(points, normals, self.material.albedo)

    @torch.no_grad()
    def reflectance(self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> Reflectance | None:
        """Albedo, metallic and roughness; see `maquette.export.base.Subject`."""
        if self.material.reflectance(torch.zeros(1, self.geometry.channels, device=self.device)) is None:
            return None
        columns = self._appearance(
            points, normals, lambda features: concat_reflectance(self.material.reflectance(features))
        )
        return Reflectance(columns[:, :3], columns[:, 3:4], columns[:, 4:])

    def _appearance(
        self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"], from_features: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "n C"]:
        """`from_features` applied to the features at points; of Gaussians, the mean over those around a point."""
        points = points.to(self.device)
        if self.geometry.form == "surface":
            return from_features(self.geometry.features(points))
        if self.geometry.form == "field" and self._signed:
            return from_features(self.geometry.query(points).features)
        if self.geometry.form == "field":
            return self._inward_appearance(points, normals.to(self.device), from_features)
        cloud = self.geometry.splats()
        of_gaussians = from_features(cloud.harmonics[:, 0] * HARMONIC_0)  # the mean over all viewing directions
        density, values = self._cloud_at(points, cloud, of_gaussians)
        uncovered = density == 0
        if uncovered.any():
            _, nearest = cKDTree(cloud.means.cpu().numpy()).query(points[uncovered].cpu().numpy())
            values[uncovered] = of_gaussians[torch.from_numpy(nearest).to(values.device)]
        return values

    def _inward_appearance(
        self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"], from_features: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "n C"]:
        """What a ray sees that enters a volume at points of its surface, without the background behind it.

        The surface of a blurred volume lies in fog, whose own colour is often the background's.
        """
        step = (FOG + INWARD_DEPTH) * self.bound / INWARD_SAMPLES
        starts = points + FOG * self.bound * normals
        transmitted, total = points.new_ones(len(points), 1), points.new_zeros(len(points), 1)
        values = points.new_zeros(0)
        for i in range(INWARD_SAMPLES):
            open_rays = transmitted[:, 0] > SEEN_THROUGH
            if not open_rays.any():
                break
            sample = self.geometry.query((starts - i * step * normals)[open_rays].clamp(-self.bound, self.bound))
            alpha = 1 - torch.exp(-step * sample.density[:, None])
            weight = transmitted[open_rays] * alpha.clamp(min=1e-6)
            columns = from_features(sample.features)
            values = columns.new_zeros(len(points), columns.shape[1]) if i == 0 else values
            values[open_rays] += weight * columns
            total[open_rays] += weight
            transmitted[open_rays] *= 1 - alpha
        return values / total

    @torch.no_grad()
    def splats(self, min_opacity: float) -> SplatCloud | None:
        """The Gaussians, with spherical harmonics fitted to their sRGB colours; see `Subject`."""
        if self.geometry.form != "splats":
            return None
        cloud: GaussianCloud = self.geometry.splats()
        directions = sphere_points(COLOR_DIRECTIONS).to(self.device)
        basis = harmonic_basis(directions, cloud.degree)
        features = torch.einsum("dk,nkf->ndf", basis, cloud.harmonics)
        colors = self.material.albedo(features.flatten(0, 1)).reshape(len(cloud), COLOR_DIRECTIONS, 3)
        harmonics = torch.einsum("kd,ndc->nkc", torch.linalg.pinv(basis), colors - 0.5)
        opaque = cloud.opacities >= min_opacity
        quaternions = torch.nn.functional.normalize(cloud.quaternions, dim=-1)
        columns = (cloud.means, quaternions, cloud.extents, cloud.opacities, harmonics)
        return SplatCloud(*(column[opaque].cpu().numpy() for column in columns))

    def _cloud_at(
        self, points: Float[Tensor, "n 3"], cloud: GaussianCloud, values: Float[Tensor, "g C"]
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n C"]]:
        """Density of the Gaussians at points, and the density-weighted mean of a value that each Gaussian carries.

        Gaussians are taken at least LEAST_STD thick, so that a grid of points does not miss a flat one.
        """
        scales = cloud.extents.clamp(min=LEAST_STD * self.bound)
        return gaussian_field(points, cloud.means, cloud.quaternions, scales, cloud.opacities, values)

    @torch.no_grad()
    def render(
        self, azimuth_deg: Sequence[float], elevation_deg: float, size: int, normals: bool = True
    ) -> RenderedViews:
        """Unlit pictures from cameras around the object; see `maquette.export.base.Subject`."""
        one = torch.ones(1, device=self.device)
        cameras = [
            orbit_cameras(one * azimuth, one * elevation_deg, one * self.view.distance, one * self.view.fov_y_deg, size)
            for azimuth in azimuth_deg
        ]
        return self.render_cameras(Cameras.cat(cameras), normals)

    @torch.no_grad()
    def render_cameras(self, cameras: Cameras, normals: bool = True) -> RenderedViews:
        """Unlit pictures from B cameras, rendered one at a time; depth is distance along the rays."""
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
    """Unit vectors distributed evenly over the sphere, on a Fibonacci spiral."""
    index = torch.arange(count) + 0.5
    z, angle = 1 - 2 * index / count, math.pi * (1 + 5**0.5) * index
    ring = (1 - z * z).sqrt()
    return torch.stack([ring * angle.cos(), ring * angle.sin(), z], dim=-1)


def concat_reflectance(reflectance: Reflectance) -> Float[Tensor, "n 5"]:
    """Albedo, metallic and roughness as five columns."""
    return torch.cat([reflectance.albedo, reflectance.metallic, reflectance.roughness], dim=-1)


@dataclass(frozen=True, eq=False)
class RenderedViews:
    """Views of a subject, on the CPU.

    Args:
        rgb: sRGB in [0, 1], before the subject's own background.
        picture: the subject alone, with alpha, to be composited over another background.
        depth: distance along the viewing direction, in scene units; None if the renderer has none.
        normal: world normals of length 1, or 0 where there is nothing; None if the renderer has none.
    """

    rgb: Float[Tensor, "B H W 3"]
    picture: Picture
    depth: Float[Tensor, "B H W 1"] | None = None
    normal: Float[Tensor, "B H W 3"] | None = None

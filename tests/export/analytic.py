"""A subject with known geometry and colours: a torus lying flat, and a box in front of it, to the left and above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from maquette.images.picture import Picture
from maquette.materials.base import Reflectance
from maquette.meshes.clean import clean, decimate
from maquette.meshes.isosurface import extract_surface
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import bake, unwrap
from maquette.scene import RenderedViews

TORUS_RADIUS, TUBE_RADIUS = 0.5, 0.2
BOX_CENTRE, BOX_HALF = (0.7, 0.15, 0.3), (0.15, 0.1, 0.25)
SOLID = 40.0
TORUS_VOLUME = 2 * np.pi**2 * TORUS_RADIUS * TUBE_RADIUS**2


def torus_distance(points: Tensor) -> Tensor:
    """Signed distance [n] to the torus."""
    return torch.hypot(torch.hypot(points[:, 0], points[:, 1]) - TORUS_RADIUS, points[:, 2]) - TUBE_RADIUS


def distance(points: Tensor) -> Tensor:
    """Signed distance [n] to the union of torus and box."""
    q = (points - points.new_tensor(BOX_CENTRE)).abs() - points.new_tensor(BOX_HALF)
    box = q.clamp(min=0).norm(dim=-1) + q.max(-1).values.clamp(max=0)
    return torch.minimum(torus_distance(points), box)


class AnalyticSubject:
    """Density `SOLID` inside, falling to 0 within 0.02; smooth colours that differ in all three axes."""

    bound, extracted = 1.0, True

    def density(self, points: Tensor) -> Tensor:
        return SOLID * torch.sigmoid(-distance(points) / 0.004)

    def surface(self, resolution, threshold):
        return extract_surface(
            self.density, self.bound, resolution, "auto" if isinstance(threshold, str) else threshold
        )

    def textured(self) -> None:
        return None

    def color(self, points: Tensor, normals: Tensor) -> Tensor:
        waves = 0.5 + 0.45 * torch.sin(points * points.new_tensor([3.0, 4.0, 5.0]) + 0.5)
        return waves * (0.9 + 0.1 * normals[:, 2:])

    def reflectance(self, points: Tensor, normals: Tensor) -> Reflectance | None:
        return None

    def splats(self, min_opacity: float) -> None:
        return None

    def render(self, azimuth_deg: Sequence[float], elevation_deg: float, size: int) -> RenderedViews:
        """Sphere tracing from a distance of 3, orthographic, over white."""
        views = [self._view(np.radians(a), np.radians(elevation_deg), size) for a in azimuth_deg]
        rgb, opacity, depth, normal = (torch.stack(tensors) for tensors in zip(*views, strict=True))
        return RenderedViews(rgb, Picture.from_composited(rgb, opacity, 1.0), depth, normal)

    def _view(self, azimuth: float, elevation: float, size: int) -> tuple[Tensor, ...]:
        backward = torch.tensor(
            [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        ).float()
        right = torch.tensor([-np.sin(azimuth), np.cos(azimuth), 0.0]).float()
        up = torch.linalg.cross(backward, right)
        side = torch.linspace(-1.1, 1.1, size)
        v, u = torch.meshgrid(-side, side, indexing="ij")
        points = (3 * backward + u[..., None] * right + v[..., None] * up).reshape(-1, 3)
        depth = torch.zeros(len(points))
        for _ in range(60):
            depth = depth + distance(points - depth[:, None] * backward)
        hit = depth < 6
        points = (points - depth[:, None] * backward).requires_grad_()
        (normals,) = torch.autograd.grad(distance(points).sum(), points)
        points = points.detach()
        light = (0.35 + 0.65 * (normals @ backward).clamp(min=0))[:, None]
        rgb = torch.where(hit[:, None], self.color(points, normals) * light, 1.0)
        planes = (rgb.clamp(0, 1), hit.float(), torch.where(hit, depth, 0), normals * hit[:, None])
        return tuple(plane.reshape(size, size, -1) for plane in planes)


@pytest.fixture(scope="session")
def subject() -> AnalyticSubject:
    return AnalyticSubject()


@pytest.fixture(scope="session")
def surface(subject) -> Mesh:
    return extract_surface(subject.density, subject.bound, 64)


@pytest.fixture(scope="session")
def textured(subject, surface) -> Mesh:
    return bake(unwrap(decimate(clean(surface), 6000), 256), subject.color, 256)

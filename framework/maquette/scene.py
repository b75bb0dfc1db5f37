"""A scene: geometry, material, background and renderer together, as stages build it and exporters read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.cameras.base import orbit_cameras
from maquette.errors import RunError
from maquette.export.base import RenderedViews
from maquette.export.isosurface import extract
from maquette.export.mesh import Mesh
from maquette.materials.base import Shading


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

    @property
    def device(self) -> torch.device:
        """Where the scene computes."""
        return next(self.parameters()).device

    @torch.no_grad()
    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Densities, 0 or more; only where the geometry is a field."""
        return self.geometry.density(points.to(self.device))

    @torch.no_grad()
    def surface(self, resolution: int, threshold: float | Literal["auto"] = "auto") -> Mesh:
        """The boundary; see `maquette.export.base.Subject`."""
        if self.geometry.provides == "field":
            return extract(self.density, self.bound, resolution, threshold)
        mesh = self.geometry.mesh()
        if not len(mesh.triangles):
            raise RunError("the surface is empty; start from a larger shape, or weigh sparsity less")
        return Mesh(mesh.vertices.cpu().numpy(), mesh.triangles.cpu().numpy())

    @torch.no_grad()
    def color(self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Unlit colours in [0, 1]; see `maquette.export.base.Subject`."""
        points = points.to(self.device)
        surface = self.geometry.provides == "surface"
        return self.material.albedo(self.geometry.features(points) if surface else self.geometry.query(points).features)

    @torch.no_grad()
    def render(
        self, azimuth_deg: Sequence[float], elevation_deg: float, size: int, normals: bool = True
    ) -> RenderedViews:
        """Unlit pictures from around the object; see `maquette.export.base.Subject`."""
        views = []
        for azimuth in azimuth_deg:
            one = torch.ones(1, device=self.device)
            cameras = orbit_cameras(
                one * azimuth, one * elevation_deg, one * self.view.distance, one * self.view.fov_y_deg, size
            )
            views.append(
                self.renderer.render(
                    self.geometry, self.material, self.background, cameras, Shading(), normals, draws=None
                )
            )
        stacked = [
            torch.cat([getattr(view, name) for view in views]).cpu().numpy() for name in ("rgb", "opacity", "depth")
        ]
        normal = torch.cat([view.normal for view in views]).cpu().numpy() if normals else None
        return RenderedViews(stacked[0].clip(0, 1), stacked[1][..., 0], stacked[2][..., 0], normal)

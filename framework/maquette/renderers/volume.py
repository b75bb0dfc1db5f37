"""A volume renderer of fields; an occupancy grid skips empty space."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count
from maquette.backgrounds.base import Background
from maquette.config.capabilities import RENDERED_LATENTS, RENDERED_NORMAL, RENDERED_SAMPLES, Capabilities
from maquette.geometry.base import Field
from maquette.kernels.compositing import accumulate, composite
from maquette.kernels.marching import march_rays, ray_box
from maquette.materials.base import Material, ShadingPoints
from maquette.randomness import Moment
from maquette.registry import register
from maquette.renderers.base import RaySampleValues, Renderer, Rendering, View, renderer_capabilities
from maquette.renderers.occupancy_grid import OccupancyConfig, OccupancyGrid


@dataclass(frozen=True)
class _Rays:
    """Rays with the point light of their camera; without jitter outside training."""

    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    lights: Float[Tensor, "r 3"]
    jitter: Float[Tensor, " r"] | None

    @staticmethod
    def of(view: View) -> _Rays:
        cameras, draws = view.cameras, view.draws
        origins, directions = (rays.reshape(-1, 3) for rays in cameras.rays())
        lights = cameras.light.repeat_interleave(cameras.height * cameras.width, dim=0)
        jitter = draws.uniform("jitter", len(origins)).to(origins) if draws is not None else None
        return _Rays(origins, directions, lights, jitter)

    def __len__(self) -> int:
        return len(self.origins)

    def split(self, size: int) -> list[_Rays]:
        jitter = self.jitter.split(size) if self.jitter is not None else [None] * math.ceil(len(self) / size)
        columns = (self.origins.split(size), self.directions.split(size), self.lights.split(size), jitter)
        return [_Rays(*row) for row in zip(*columns, strict=True)]


@register("renderer", "volume")
class Volume(Renderer):
    """Emission-absorption volume rendering along rays with equal steps; empty cells are skipped.

    Source: Mildenhall et al. 2020 (NeRF, arXiv 2003.08934), eq. 3.
    """

    @dataclass(frozen=True)
    class Config:
        samples: Count = 96  # steps across the cube's diagonal
        occupancy: OccupancyConfig = field(default_factory=OccupancyConfig)  # grid for skipping empty space
        chunk: Count = 16_384  # rays at a time outside training
        backend: str = "auto"  # of the kernels

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return renderer_capabilities("field", RENDERED_NORMAL, RENDERED_SAMPLES, RENDERED_LATENTS)

    def __init__(self, config: Config, bound: float) -> None:
        super().__init__()
        self.config, self.bound = config, bound
        self.step_size = 2 * bound * math.sqrt(3) / config.samples
        self.occupancy = OccupancyGrid(config.occupancy, bound, self.step_size)
        self.register_buffer("aabb", torch.tensor([[-bound] * 3, [bound] * 3]), persistent=False)
        self.aabb: Tensor

    def update(self, geometry: Field, moment: Moment) -> None:
        self.occupancy.update(geometry.density, moment)

    def render(self, geometry: Field, material: Material, background: Background, view: View) -> Rendering:
        cameras = view.cameras
        rays = _Rays.of(view)
        shape = (len(cameras), cameras.height, cameras.width)
        behind, latents_behind = _background(background, material, rays.directions.reshape(*shape, 3), view)
        size = len(rays) if view.draws is not None else self.config.chunk
        parts = [self._march(geometry, material, part, view) for part in rays.split(size)]
        columns = list(zip(*parts, strict=True))
        color, opacity, depth, normal, latents = (torch.cat(list(column)).unflatten(0, shape) for column in columns[:5])
        return Rendering(
            rgb=color + (1 - opacity) * behind,
            opacity=opacity,
            depth=depth / opacity.clamp(min=1e-5),
            normal=normal if view.normals else None,
            samples=parts[0][5] if len(parts) == 1 else None,
            shading=view.shading,
            background=behind,
            latents=latents + (1 - opacity) * latents_behind if latents_behind is not None else None,
        )

    def _march(self, geometry: Field, material: Material, rays: _Rays, view: View) -> tuple[Any, ...]:
        """Color, opacity, depth, normal and latents of each ray, and the values of the samples that they sum."""
        backend, grid = self.config.backend, self.occupancy
        origins, directions = rays.origins, rays.directions
        near, far = ray_box(origins, directions, self.aabb)
        samples = march_rays(
            origins, directions, near, far, self.step_size, grid.occupied, grid.boxes[0], rays.jitter, backend=backend
        )
        points, deltas = samples.points(origins, directions), samples.deltas
        at = geometry.query(points, normals=view.normals or material.needs_normals or view.shading.diffuse > 0)
        along, lights = directions[samples.ray_index], rays.lights[samples.ray_index]
        density = geometry.section_density(at, along, deltas)
        weights, _ = composite(density, deltas, samples.ray_start, backend=backend)
        color = material.shade(ShadingPoints(at.features, points, at.normal, along, lights), view.shading)
        normal = at.normal if at.normal is not None else torch.zeros_like(points)
        ones = torch.ones_like(weights)[:, None]
        latents = material.latents(at.features) if material.latent_channels else color[:, :0]
        values = torch.cat([color, ones, samples.t_mid[:, None], normal, latents], dim=-1)
        sums = accumulate(weights, values, samples.ray_index, len(rays), backend=backend)
        sample_values = RaySampleValues(
            weights, samples.t_mid, samples.ray_index, len(rays), at.normal, along, at.gradient, points, deltas
        )
        return *sums.split([3, 1, 1, 3, latents.shape[1]], dim=1), sample_values


def _background(
    background: Background, material: Material, directions: Float[Tensor, "B H W 3"], view: View
) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W C"] | None]:
    """Background colour, and background latents if the material has latents; it then converts these to the colour."""
    if not material.latent_channels:
        return background(directions, view.draws), None
    latents = background.latents(directions, view.draws)
    color = material.albedo(latents.reshape(-1, material.latent_channels))
    return color.reshape(directions.shape), latents

"""Volume rendering with an occupancy grid that skips empty space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.backgrounds.base import Background
from maquette.cameras.base import Cameras
from maquette.geometry.base import Field
from maquette.kernels import occupancy
from maquette.kernels.compositing import accumulate, composite
from maquette.kernels.marching import march_rays, ray_box
from maquette.materials.base import Material, Shading
from maquette.randomness import Draws
from maquette.registry import register
from maquette.renderers.base import RaySampleValues, Renderer, Rendering


@register("renderer", "volume")
class Volume(Renderer):
    """Emission and absorption along rays cut into equal steps, empty cells skipped, samples packed.

    Source: Mildenhall et al. 2020 (NeRF, arXiv 2003.08934), eq. 3; occupancy grid: Müller et al. 2022
    (arXiv 2201.05989), app. C.
    """

    @dataclass(frozen=True)
    class Config:
        samples: int = 96  # steps across the cube's diagonal
        occupancy_resolution: int = 32  # cells along a side
        occupancy_every: int = 16  # steps between updates
        occupancy_decay: float = 0.9  # of remembered densities, per update
        occupancy_warmup: int = 0  # steps before anything is skipped
        opacity_floor: float = 0.002  # opacity per sample below which a cell counts as empty
        chunk: int = 16_384  # rays at a time outside training
        backend: str = "auto"  # of the kernels

    takes = "field"
    gives = frozenset({"normal", "samples"})

    def __init__(self, config: Config, bound: float) -> None:
        super().__init__()
        self.config, self.bound = config, bound
        self.step_size = 2 * bound * math.sqrt(3) / config.samples
        n = config.occupancy_resolution
        self.register_buffer("density_grid", torch.zeros(n, n, n))
        self.register_buffer("occupied", torch.ones(n, n, n, dtype=torch.bool))
        self.register_buffer("aabb", torch.tensor([[-bound] * 3, [bound] * 3]), persistent=False)
        self.density_grid: Tensor
        self.occupied: Tensor
        self.aabb: Tensor

    @torch.no_grad()
    def update(self, geometry: Field, step: int, draws: Draws) -> None:
        c = self.config
        if step % c.occupancy_every:
            return
        n = c.occupancy_resolution
        cells = torch.arange(n**3, device=self.aabb.device)
        uniform = draws.uniform("occupancy", n**3, 3).to(self.aabb)
        points = occupancy.cell_points(cells, (n, n, n), self.aabb, uniform)
        fresh = torch.cat([geometry.density(part) for part in points.split(65_536)])
        self.density_grid.copy_(occupancy.merge_density(self.density_grid, cells, fresh, c.occupancy_decay))
        if step >= c.occupancy_warmup:
            self.occupied.copy_(occupancy.binarise(self.density_grid, c.opacity_floor / self.step_size))

    def render(
        self,
        geometry: Field,
        material: Material,
        background: Background,
        cameras: Cameras,
        shading: Shading,
        normals: bool,
        draws: Draws | None,
    ) -> Rendering:
        origins, directions = (rays.reshape(-1, 3) for rays in cameras.rays())
        lights = cameras.light.repeat_interleave(cameras.height * cameras.width, dim=0)
        behind = background(directions.reshape(len(cameras), cameras.height, cameras.width, 3), draws).reshape(-1, 3)
        jitter = draws.uniform("jitter", len(origins)).to(origins) if draws is not None else None
        size = len(origins) if draws is not None else self.config.chunk
        parts = [
            self._rays(
                geometry, material, origins[i : i + size], directions[i : i + size], lights[i : i + size],
                jitter[i : i + size] if jitter is not None else None, shading, normals,
            )
            for i in range(0, len(origins), size)
        ]  # fmt: skip
        color, opacity, depth, normal = (torch.cat(list(column)) for column in list(zip(*parts, strict=True))[:4])
        shape = (len(cameras), cameras.height, cameras.width)
        return Rendering(
            rgb=(color + (1 - opacity) * behind).reshape(*shape, 3),
            opacity=opacity.reshape(*shape, 1),
            depth=(depth / opacity.clamp(min=1e-5)).reshape(*shape, 1),
            normal=normal.reshape(*shape, 3) if normals else None,
            samples=parts[0][4] if len(parts) == 1 else None,
            shading=shading,
            background=behind.reshape(*shape, 3),
        )

    def _rays(
        self,
        geometry: Field,
        material: Material,
        origins: Float[Tensor, "r 3"],
        directions: Float[Tensor, "r 3"],
        lights: Float[Tensor, "r 3"],
        jitter: Float[Tensor, " r"] | None,
        shading: Shading,
        normals: bool,
    ) -> tuple[Any, ...]:
        backend = self.config.backend
        near, far = ray_box(origins, directions, self.aabb)
        samples = march_rays(
            origins, directions, near, far, self.step_size, self.occupied, self.aabb, jitter, backend=backend
        )
        points = samples.points(origins, directions)
        wanted = normals or material.needs_normals or shading.diffuse > 0
        field = geometry.query(points, normals=wanted)
        along = directions[samples.ray_index]
        density = geometry.section_density(field, along, samples.deltas)
        weights, _ = composite(density, samples.deltas, samples.ray_start, backend=backend)
        color = material.shade(field.features, points, field.normal, along, lights[samples.ray_index], shading)
        normal = field.normal if field.normal is not None else torch.zeros_like(points)
        ones = torch.ones_like(weights)[:, None]
        values = torch.cat([color, ones, samples.t_mid[:, None], normal], dim=-1)
        sums = accumulate(weights, values, samples.ray_index, len(origins), backend=backend)
        kept = RaySampleValues(
            weights, samples.t_mid, samples.ray_index, len(origins), field.normal, along, field.gradient, points
        )
        return sums[:, :3], sums[:, 3:4], sums[:, 4:5], sums[:, 5:8], kept

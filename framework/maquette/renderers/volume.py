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
from maquette.config.capabilities import RENDERED_LATENTS, RENDERED_NORMAL, RENDERED_SAMPLES, Capabilities
from maquette.geometry.base import Field
from maquette.kernels import occupancy
from maquette.kernels.compositing import accumulate, composite
from maquette.kernels.marching import level_boxes, march_rays, ray_box
from maquette.materials.base import Material, Shading
from maquette.randomness import Draws, Moment
from maquette.registry import register
from maquette.renderers.base import RaySampleValues, Renderer, Rendering, draws_from


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
        occupancy_levels: int = 1  # grids, each over half the width of the next; the last one covers the cube
        occupancy_every: int = 16  # steps between updates
        occupancy_decay: float = 0.9  # of remembered densities, per update
        occupancy_warmup: int = 0  # steps before anything is skipped
        opacity_floor: float = 0.002  # opacity per sample below which a cell counts as empty
        chunk: int = 16_384  # rays at a time outside training
        backend: str = "auto"  # of the kernels

        def __post_init__(self) -> None:
            if self.samples < 1 or self.occupancy_resolution < 1 or self.occupancy_levels < 1:
                raise ValueError("samples, occupancy_resolution and occupancy_levels are at least 1")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return draws_from("field", RENDERED_NORMAL, RENDERED_SAMPLES, RENDERED_LATENTS)

    def __init__(self, config: Config, bound: float) -> None:
        super().__init__()
        self.config, self.bound = config, bound
        self.step_size = 2 * bound * math.sqrt(3) / config.samples
        shape = (config.occupancy_levels, *[config.occupancy_resolution] * 3)
        self.register_buffer("density_grid", torch.zeros(shape))
        self.register_buffer("occupied", torch.ones(shape, dtype=torch.bool))
        self.register_buffer("aabb", torch.tensor([[-bound] * 3, [bound] * 3]), persistent=False)
        self.register_buffer("boxes", level_boxes(self.aabb / 2 ** (shape[0] - 1), shape[0]), persistent=False)
        self.density_grid: Tensor
        self.occupied: Tensor
        self.aabb: Tensor
        self.boxes: Tensor

    @torch.no_grad()
    def update(self, geometry: Field, moment: Moment) -> None:
        c = self.config
        if moment.step % c.occupancy_every:
            return
        n = c.occupancy_resolution
        cells = torch.arange(n**3, device=self.aabb.device)
        for level, (known, box) in enumerate(zip(self.density_grid, self.boxes, strict=True)):
            uniform = moment.draws.uniform("occupancy" if level == 0 else f"occupancy-{level}", n**3, 3).to(box)
            points = occupancy.cell_points(cells, (n, n, n), box, uniform)
            fresh = torch.cat([geometry.density(part) for part in points.split(65_536)])
            known.copy_(occupancy.merge_density(known, cells, fresh, c.occupancy_decay))
        if moment.step >= c.occupancy_warmup:
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
        shape = (len(cameras), cameras.height, cameras.width)
        behind, latents_behind = _background(background, material, directions.reshape(*shape, 3), draws)
        jitter = draws.uniform("jitter", len(origins)).to(origins) if draws is not None else None
        size = len(origins) if draws is not None else self.config.chunk
        parts = [
            self._rays(
                geometry, material, origins[i : i + size], directions[i : i + size], lights[i : i + size],
                jitter[i : i + size] if jitter is not None else None, shading, normals,
            )
            for i in range(0, len(origins), size)
        ]  # fmt: skip
        columns = list(zip(*parts, strict=True))
        color, opacity, depth, normal, latents = (torch.cat(list(column)).unflatten(0, shape) for column in columns[:5])
        return Rendering(
            rgb=color + (1 - opacity) * behind,
            opacity=opacity,
            depth=depth / opacity.clamp(min=1e-5),
            normal=normal if normals else None,
            samples=parts[0][5] if len(parts) == 1 else None,
            shading=shading,
            background=behind,
            latents=latents + (1 - opacity) * latents_behind if latents_behind is not None else None,
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
            origins, directions, near, far, self.step_size, self.occupied, self.boxes[0], jitter, backend=backend
        )
        points, deltas = samples.points(origins, directions), samples.deltas
        wanted = normals or material.needs_normals or shading.diffuse > 0
        field = geometry.query(points, normals=wanted)
        along = directions[samples.ray_index]
        density = geometry.section_density(field, along, deltas)
        weights, _ = composite(density, deltas, samples.ray_start, backend=backend)
        color = material.shade(field.features, points, field.normal, along, lights[samples.ray_index], shading)
        normal = field.normal if field.normal is not None else torch.zeros_like(points)
        ones = torch.ones_like(weights)[:, None]
        latents = material.latents(field.features) if material.latent_channels else color[:, :0]
        values = torch.cat([color, ones, samples.t_mid[:, None], normal, latents], dim=-1)
        sums = accumulate(weights, values, samples.ray_index, len(origins), backend=backend)
        kept = RaySampleValues(
            weights, samples.t_mid, samples.ray_index, len(origins), field.normal, along, field.gradient, points,
            deltas,
        )  # fmt: skip
        return *sums.split([3, 1, 1, 3, latents.shape[1]], dim=1), kept


def _background(
    background: Background, material: Material, directions: Float[Tensor, "B H W 3"], draws: Draws | None
) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W C"] | None]:
    """Colour behind the object, and latents where the material draws those; their colour is what it makes of them."""
    if not material.latent_channels:
        return background(directions, draws), None
    latents = background.latents(directions, draws)
    color = material.albedo(latents.reshape(-1, material.latent_channels))
    return color.reshape(directions.shape), latents

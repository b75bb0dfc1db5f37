"""Nested occupancy grids by which a volume renderer skips empty space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from maquette.annotations import Count, CountOrNone, Fraction, Range
from maquette.kernels.marching import level_boxes
from maquette.kernels.occupancy import binarise, cell_points, merge_density
from maquette.randomness import Moment

POINTS_PER_QUERY = 65_536  # at which the density is evaluated at a time


@dataclass(frozen=True)
class OccupancyConfig:
    """Settings of an occupancy grid."""

    resolution: Annotated[int, Range(1, 1024)] = 32  # cells along a side
    levels: Annotated[int, Range(1, 16)] = (
        1  # grids, each over half the width of the next; the last one covers the cube
    )
    every: Count = 16  # steps between updates
    decay: Fraction = 0.9  # factor on stored densities, per update
    warmup: CountOrNone = 0  # steps before anything is skipped
    opacity_floor: Fraction = 0.002  # opacity per sample below which a cell counts as empty


class OccupancyGrid(nn.Module):
    """Densities and occupancy of the cells of nested grids; both are stored in checkpoints.

    Source: Müller et al. 2022 (instant-NGP, arXiv 2201.05989), app. C.

    Args:
        config: settings.
        bound: half side of the cube that the outermost grid covers, scene units.
        step_size: length of a ray section, scene units; with it `opacity_floor` becomes a density.

    Attributes:
        occupied: input of `march_rays` [levels, n, n, n]; initially all true.
        boxes: corners of each level's box [levels, 2, 3], the innermost first.
    """

    def __init__(self, config: OccupancyConfig, bound: float, step_size: float) -> None:
        super().__init__()
        self.config, self.floor = config, config.opacity_floor / step_size
        shape = (config.levels, *[config.resolution] * 3)
        innermost = torch.tensor([[-bound] * 3, [bound] * 3]) / 2 ** (config.levels - 1)
        self.register_buffer("density", torch.zeros(shape))
        self.register_buffer("occupied", torch.ones(shape, dtype=torch.bool))
        self.register_buffer("boxes", level_boxes(innermost, config.levels), persistent=False)
        self.density: Float[Tensor, "levels n n n"]
        self.occupied: Bool[Tensor, "levels n n n"]
        self.boxes: Float[Tensor, "levels 2 3"]

    @torch.no_grad()
    def update(self, density: Callable[[Float[Tensor, "n 3"]], Float[Tensor, " n"]], moment: Moment) -> None:
        """Every `every` steps, evaluate the density at a random point in each cell and merge it into the grid.

        Args:
            density: of points in scene units.
            moment: the step; streams "occupancy", "occupancy-1" ..., one per level.
        """
        c, n = self.config, self.config.resolution
        if moment.step % c.every:
            return
        cells = torch.arange(n**3, device=self.boxes.device)
        for level, (grid, box) in enumerate(zip(self.density, self.boxes, strict=True)):
            uniform = moment.draws.uniform("occupancy" if level == 0 else f"occupancy-{level}", n**3, 3).to(box)
            points = cell_points(cells, (n, n, n), box, uniform)
            fresh = torch.cat([density(part) for part in points.split(POINTS_PER_QUERY)])
            grid.copy_(merge_density(grid, cells, fresh, c.decay))
        if moment.step >= c.warmup:
            self.occupied.copy_(binarise(self.density, self.floor))

"""A surface extracted from signed distances on a regular grid, without a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import binary_opening
from torch import Tensor, nn
from torch.nn import functional

from maquette.annotations import Channels, CountOrNone, Fraction, NonNegative, Positive, Samples
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.errors import ConfigError
from maquette.geometry.base import ChangedRows, Surface, SurfaceMesh
from maquette.kernels.marching_cubes import marching_cubes
from maquette.meshes.level_sets import signed_distances
from maquette.randomness import Moment
from maquette.registry import register

BORDER_DISTANCE = 0.5  # at the outermost points of the grid at least, cells, so that the surface is closed
THIN_CELLS = 2  # parts that a ball of this radius does not fit into are thin
THIN_SMOOTHING = 0.1  # factor of the smoothing at thin parts

Low = tuple[float, float, float]


@dataclass(frozen=True)
class Grid:
    """Values on a regular grid.

    Args:
        values: [X, Y, Z].
        low: position of the first point, scene units.
        cell: distance of neighbouring points, scene units.
    """

    values: Float[Tensor, "X Y Z"]
    low: Low
    cell: float

    def at(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """The values at points, trilinearly; beyond the grid, values of the border."""
        last = torch.tensor(self.values.shape, device=points.device) - 1
        place = 2 * (points - torch.tensor(self.low).to(points)) / (self.cell * last) - 1
        values = self.values[None, None].to(points)
        return functional.grid_sample(
            values, place.flip(-1)[None, None, None], align_corners=True, padding_mode="border"
        )[0, 0, 0, 0]

    def resampled(self, low: Low, cell: float, size: tuple[int, int, int]) -> Float[Tensor, "X Y Z"]:
        """The values at the points of another grid."""
        axes = [start + cell * torch.arange(count) for start, count in zip(low, size, strict=True)]
        return self.at(torch.cartesian_prod(*axes).to(self.values)).reshape(size)


@register("geometry", "sdf-voxels")
class SDFVoxels(Surface):
    """Signed distances at the points of a grid, and their zero set by marching cubes; grey.

    The parameter is in units of cells, so that a learning rate is a step in cells. Its gradient is blurred. After each
    step, distances lose a part of their squared high-pass (bi-Laplacian smoothing, which shrinks nothing), stay above
    a floor where there is one, and are computed anew from their zero set from time to time. The grid lies over the box
    of the object and is refined from level to level, each for an equal number of the stage's steps.

    Source: the differentiable layer as in Remelli et al. 2020 (MeshSDF, arXiv 2006.03997), through marching cubes'
    crossings instead.
    """

    @dataclass(frozen=True)
    class Config:
        bound: Positive = 1.0  # half side of the cube that holds the object, scene units
        levels: tuple[Samples, ...] = (48, 80)  # cells along the longest side of the object's box
        margin: NonNegative = 0.06  # of the grid around the object's box, scene units
        radius: Positive = 0.5  # of the initial sphere, scene units
        smoothing: Fraction = 0.25  # part of the squared high-pass that distances lose after each step
        gradient_blur: NonNegativeSchedule = Schedule((("0%", 1.2), ("100%", 1.0)))  # standard deviation, cells
        redistance_every: CountOrNone = 12  # steps after which distances are computed anew; 0: never
        channels: Channels = 3  # features for the material, all 0

        def __post_init__(self) -> None:
            if not self.levels or list(self.levels) != sorted(set(self.levels)):
                raise ValueError(f"levels grow from one to the next, and {list(self.levels)} do not")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        self.distances = nn.Parameter(torch.zeros(0))  # flat, so that moments of the optimiser are rows of it
        for prefix in ("grid", "floor"):
            self.register_buffer(f"{prefix}_size", torch.zeros(3, dtype=torch.int64))
            self.register_buffer(f"{prefix}_low", torch.zeros(3, dtype=torch.float64))
            self.register_buffer(f"{prefix}_cell", torch.ones((), dtype=torch.float64))
        self.register_buffer("floor_values", torch.zeros(0))
        self.grid_size: Tensor
        self.floor_values: Tensor
        self._limits: tuple[Tensor, Tensor] | None = None
        self._blur = config.gradient_blur(0, 1)
        axis = torch.linspace(-config.bound, config.bound, config.levels[0] + 1)
        ball = torch.cartesian_prod(axis, axis, axis).norm(dim=-1) - config.radius
        cell = 2 * config.bound / config.levels[0]
        self.replace(Grid(ball.reshape((config.levels[0] + 1,) * 3), (-config.bound,) * 3, cell))

    @torch.no_grad()
    def replace(self, start: Grid, floor: Grid | None = None) -> None:
        """Take over a shape at the first level.

        Args:
            start: signed distances, negative inside; scene units.
            floor: distances stay above these values, scene units; None: no floor.

        Raises:
            ConfigError: nothing of the shape lies within the bound.
        """
        self.floor_values = start.values.new_zeros(0)
        if floor is not None:
            self.floor_values = floor.values.to(start.values).flatten()
            self._write_frame("floor", floor.low, floor.cell, tuple(floor.values.shape))
        frame = self._frame_around(start if floor is None else floor, self.config.levels[0])
        values = start.resampled(*frame) / frame[1]
        if not (values < 0).any():
            raise ConfigError(f"the shape to start from has nothing within the bound {self.bound:g}", key="geometry")
        self._set(torch.from_numpy(signed_distances(values.cpu().numpy())).to(values), frame[0], frame[1])

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {"shape": [self.distances]}

    def prepare(self, moment: Moment) -> None:
        self._blur = self.config.gradient_blur.at(moment)

    def grid(self) -> Grid:
        """The current distances in scene units, detached."""
        low, cell, size = self._frame("grid")
        return Grid(self.distances.detach().reshape(size) * cell, low, cell)

    def mesh(self) -> SurfaceMesh:
        low, cell, size = self._frame("grid")
        values = self.distances.reshape(size)
        if values.requires_grad and self._blur > 0:
            values.register_hook(partial(gaussian_blur, deviation=self._blur))
        return SurfaceMesh(*marching_cubes(values, low, cell))

    def features(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n F"]:
        return points.new_zeros(len(points), self.channels)

    @torch.no_grad()
    def after_step(self, moment: Moment) -> list[ChangedRows]:
        config, done = self.config, moment.step + 1
        values = self.distances.reshape(self._frame("grid")[2])
        lower, smoothing = self._current_limits()
        values = values - smoothing * high_pass(high_pass(values))
        values = torch.maximum(values, lower)
        if config.redistance_every and done % config.redistance_every == 0:
            values = torch.from_numpy(signed_distances(values.cpu().numpy())).to(values)
        self.distances.data.copy_(values.flatten())
        level = min(done * len(config.levels) // max(moment.total, 1), len(config.levels) - 1)
        before = moment.step * len(config.levels) // max(moment.total, 1)
        # A resume with fewer steps may begin beyond the step at which the grid was to be refined.
        return self._refine(config.levels[level]) if level > min(before, self._level()) else []

    def _level(self) -> int:
        """Index of the finest level that the grid has the cells of."""
        cells = int(self.grid_size.max()) - 1
        return max(sum(level <= cells for level in self.config.levels) - 1, 0)

    def _refine(self, cells: int) -> list[ChangedRows]:
        """Go over to a grid with so many cells along the longest side."""
        grid = self.grid()
        frame = self._frame_around(grid if not len(self.floor_values) else self._floor(), cells)
        self._set(grid.resampled(*frame) / frame[1], frame[0], frame[1])
        rows = torch.full((len(self.distances),), -1, device=self.distances.device)
        return [ChangedRows([self.distances], rows)]

    def _set(self, values: Float[Tensor, "X Y Z"], low: Low, cell: float) -> None:
        self._write_frame("grid", low, cell, tuple(values.shape))
        self._limits = None
        self.distances.data = torch.maximum(values, self._current_limits()[0]).flatten()
        self.distances.grad = None

    def _current_limits(self) -> tuple[Float[Tensor, "X Y Z"], Float[Tensor, "X Y Z"]]:
        """Least distances at the current points, in cells, and the smoothing there."""
        if self._limits is None or self._limits[0].device != self.distances.device:
            low, cell, size = self._frame("grid")
            device = self.distances.device
            lower = torch.full(size, -math.inf, device=device)
            smoothing = torch.full(size, self.config.smoothing, device=device)
            if len(self.floor_values):
                lower = self._floor().resampled(low, cell, size) / cell
                smoothing[thin_parts(lower < 0)] *= THIN_SMOOTHING
            for axis in range(3):
                for end in (0, -1):
                    lower.select(axis, end).clamp_(min=BORDER_DISTANCE)
            self._limits = lower, smoothing
        return self._limits

    def _frame_around(self, grid: Grid, cells: int) -> tuple[Low, float, tuple[int, int, int]]:
        """Low corner, cell and size of a grid around what is inside of another one."""
        inside = (grid.values < 0).nonzero().cpu().double() * grid.cell + torch.tensor(grid.low, dtype=torch.float64)
        if not len(inside):
            inside = torch.zeros(1, 3, dtype=torch.float64)
        margin = self.config.margin + grid.cell
        low = (inside.amin(0) - margin).clamp(min=-self.bound - grid.cell)
        high = (inside.amax(0) + margin).clamp(max=self.bound + grid.cell)
        cell = float((high - low).max()) / cells
        x, y, z = (((high - low) / cell).ceil().long() + 1).tolist()
        return (float(low[0]), float(low[1]), float(low[2])), cell, (x, y, z)

    def _floor(self) -> Grid:
        low, cell, size = self._frame("floor")
        return Grid(self.floor_values.reshape(size), low, cell)

    def _frame(self, prefix: str) -> tuple[Low, float, tuple[int, int, int]]:
        size, low, cell = (getattr(self, f"{prefix}_{name}").tolist() for name in ("size", "low", "cell"))
        return tuple(low), cell, tuple(size)

    def _write_frame(self, prefix: str, low: Low, cell: float, size: tuple[int, ...]) -> None:
        for name, value in (("size", size), ("low", low), ("cell", cell)):
            own: Tensor = getattr(self, f"{prefix}_{name}")
            own.copy_(torch.as_tensor(value, dtype=own.dtype))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """A stored grid may have another size."""
        self._limits = None
        for name, own in [*self.named_parameters(), *self.named_buffers()]:
            stored = state.get(prefix + name)
            if stored is not None:
                own.data = torch.empty(stored.shape, dtype=own.dtype, device=own.device)
        super()._load_from_state_dict(state, prefix, *rest)


def high_pass(values: Float[Tensor, "X Y Z"]) -> Float[Tensor, "X Y Z"]:
    """Values minus the mean of their six neighbours; a border point is its own neighbour.

    Example:
        >>> high_pass(torch.eye(3).reshape(1, 3, 3))[0, 1]
        tensor([-0.3333,  0.6667, -0.3333])
    """
    padded = functional.pad(values[None, None], (1,) * 6, mode="replicate")[0, 0]
    result = values.clone()
    for axis in range(3):
        inner = padded[tuple(slice(None) if a == axis else slice(1, -1) for a in range(3))]
        for start in (0, 2):
            result.sub_(inner.narrow(axis, start, values.shape[axis]), alpha=1 / 6)
    return result


def gaussian_blur(values: Float[Tensor, "X Y Z"], deviation: float) -> Float[Tensor, "X Y Z"]:
    """A Gaussian blur with this standard deviation in cells, zero beyond the border."""
    radius = math.ceil(3 * deviation)
    weights = torch.exp(-torch.arange(-radius, radius + 1).double().square() / (2 * deviation**2))
    weights /= weights.sum()
    for axis in range(3):
        n = values.shape[axis]
        blurred = values * float(weights[radius])
        for shift in range(1, min(radius, n - 1) + 1):
            weight = float(weights[radius + shift])
            blurred.narrow(axis, 0, n - shift).add_(values.narrow(axis, shift, n - shift), alpha=weight)
            blurred.narrow(axis, shift, n - shift).add_(values.narrow(axis, 0, n - shift), alpha=weight)
        values = blurred
    return values


def thin_parts(inside: Tensor) -> Tensor:
    """Where a body [X, Y, Z] is too thin for a ball of `THIN_CELLS`."""
    reach = np.arange(-THIN_CELLS, THIN_CELLS + 1)
    ball = np.square(np.stack(np.meshgrid(reach, reach, reach))).sum(0) <= THIN_CELLS**2
    body = inside.cpu().numpy()
    return torch.from_numpy(body & ~binary_opening(body, ball)).to(inside.device)

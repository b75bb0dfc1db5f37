"""A dense voxel grid of densities and features, trilinearly interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.geometry.base import (
    Activation,
    Blob,
    Field,
    FieldSample,
    activate,
    analytic_normal,
    blob,
    finite_difference_normal,
)
from maquette.registry import register


@register("geometry", "voxel-grid")
class VoxelGrid(Field):
    """A dense grid: the plainest volume there is.

    Source: the representation of Wang et al. 2022 (SJC, arXiv 2212.00774), sec. 4.
    """

    @dataclass(frozen=True)
    class Config:
        bound: float = 1.0  # half side of the cube, scene units
        resolution: int = 64  # vertices along each side
        channels: int = 3  # features for the material
        activation: Activation = "softplus"
        shift: float = -1.0  # added to the raw density
        blob: Blob = "none"
        blob_strength: float = 5.0
        blob_radius: float = 0.3
        normals: Literal["analytic", "finite-difference"] = "finite-difference"
        normal_epsilon: float = 0.02  # scene units

    offers = frozenset({"total_variation"})

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        n = config.resolution
        self.grid = nn.Parameter(torch.zeros(1, 1 + config.channels, n, n, n))

    def _raw(self, points: Float[Tensor, "n 3"]) -> tuple[Tensor, Tensor]:
        place = (points / self.bound).flip(-1)[None, None, None]  # grid_sample counts x last
        sampled = functional.grid_sample(self.grid, place, align_corners=True, padding_mode="border")
        values = sampled[0, :, 0, 0].T
        c = self.config
        raw = values[:, 0] + c.shift + blob(points, c.blob, c.blob_strength, c.blob_radius)
        return activate(raw, c.activation), values[:, 1:]

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return self._raw(points)[0]

    def query(self, points: Float[Tensor, "n 3"], normals: bool = False) -> FieldSample:
        density, features = self._raw(points)
        normal = None
        if normals and self.config.normals == "analytic":
            normal = analytic_normal(self.density, points)
        elif normals:
            normal = finite_difference_normal(self.density, points, self.config.normal_epsilon)
        return FieldSample(density, features, normal)

    def total_variation(self) -> Tensor:
        """Mean squared difference between neighbouring vertices."""
        return sum((self.grid.diff(dim=axis).square().mean() for axis in (2, 3, 4)), torch.zeros(()))

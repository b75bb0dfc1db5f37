"""A dense voxel grid of densities and features, trilinearly interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.annotations import Channels, Positive, Samples
from maquette.config.capabilities import GEOMETRY_TOTAL_VARIATION, Capabilities
from maquette.geometry.base import Field, FieldSample
from maquette.geometry.density import Blob, DensityConfig, density_normal, density_of
from maquette.registry import register


@register("geometry", "voxel-grid")
class VoxelGrid(Field):
    """A dense grid of raw densities and features.

    Source: the representation of Wang et al. 2022 (SJC, arXiv 2212.00774), sec. 4.
    """

    @dataclass(frozen=True)
    class Config(DensityConfig):
        bound: Positive = 1.0  # half side of the cube, scene units
        resolution: Samples = 64  # vertices along each side
        channels: Channels = 3  # features for the material
        shift: float = -1.0  # added to the raw density
        blob: Blob = "none"  # initial shape
        blob_strength: float = 5.0  # lambda_tau
        blob_radius: Positive = 0.3  # sigma_tau, scene units
        normals: Literal["analytic", "finite-difference"] = "finite-difference"  # how normals are computed

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).giving(GEOMETRY_TOTAL_VARIATION)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        n = config.resolution
        self.grid = nn.Parameter(torch.zeros(1, 1 + config.channels, n, n, n))

    def _raw(self, points: Float[Tensor, "n 3"]) -> tuple[Tensor, Tensor]:
        place = (points / self.bound).flip(-1)[None, None, None]  # grid_sample counts x last
        sampled = functional.grid_sample(self.grid, place, align_corners=True, padding_mode="border")
        values = sampled[0, :, 0, 0].T
        return density_of(values[:, 0], points, self.config), values[:, 1:]

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return self._raw(points)[0]

    def query(self, points: Float[Tensor, "n 3"], normals: bool = False) -> FieldSample:
        density, features = self._raw(points)
        normal = density_normal(self.density, points, self.config) if normals else None
        return FieldSample(density, features, normal)

    def total_variation(self) -> Tensor:
        """Mean squared difference between neighbouring vertices, summed over the axes."""
        return sum((self.grid.diff(dim=axis).square().mean() for axis in (2, 3, 4)), torch.zeros(()))

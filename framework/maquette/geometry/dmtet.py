"""DMTet: a surface extracted from signed distances and offsets on a tetrahedral grid."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Positive, Samples
from maquette.config.capabilities import GEOMETRY_SIGN_CHANGES, Capabilities
from maquette.geometry._hash_field import HashField, HashFieldConfig
from maquette.geometry.base import Surface, SurfaceMesh
from maquette.kernels.tetrahedra import TetrahedralGrid, grid_positions, marching_tetrahedra, tetrahedral_grid
from maquette.randomness import Moment
from maquette.registry import register


@register("geometry", "dmtet")
class DMTet(Surface):
    """A signed distance and an offset at each corner of a tetrahedral grid; features from a hash-grid field.

    Corners move by at most half a cell, x + tanh(offset) cell / 2, which keeps tetrahedra from inverting.

    Source: Shen et al. 2021 (DMTet, arXiv 2111.04276), sec. 3.1; offsets bounded as in Munkberg et al. 2022
    (nvdiffrec, arXiv 2111.12503).
    """

    @dataclass(frozen=True)
    class Config(HashFieldConfig):
        resolution: Samples = 32  # cubes of the grid along each side
        radius: Positive = 0.5  # of the initial sphere, scene units
        move_corners: bool = True  # learn offsets too

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).giving(GEOMETRY_SIGN_CHANGES)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        self.texture = HashField(config, config.channels)
        corners = grid_positions(config.resolution) * config.bound
        self._grid: TetrahedralGrid | None = (
            None  # tabled at the first mesh: at resolution 128 that takes tens of seconds
        )
        self.register_buffer("corners", corners, persistent=False)
        self.corners: Tensor
        self.distances = nn.Parameter(corners.norm(dim=-1) - config.radius)
        self.offsets = nn.Parameter(torch.zeros_like(corners), requires_grad=config.move_corners)

    @property
    def grid(self) -> TetrahedralGrid:
        """The grid's connectivity, on the device of the corners."""
        if self._grid is None or self._grid.tetrahedra.device != self.corners.device:
            self._grid = tetrahedral_grid(self.config.resolution).to(self.corners.device)
        return self._grid

    def prepare(self, moment: Moment) -> None:
        self.texture.prepare(moment)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        shape = [self.distances, *([self.offsets] if self.config.move_corners else [])]
        return {"shape": shape, **self.texture.groups()}

    def mesh(self) -> SurfaceMesh:
        cell = 2 * self.bound / self.config.resolution
        positions = self.corners + torch.tanh(self.offsets) * (cell / 2)
        return SurfaceMesh(*marching_tetrahedra(positions, self.distances, self.grid))

    def features(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n F"]:
        return self.texture.outputs(points)

    def sign_changes(self) -> Float[Tensor, "m 2"]:
        """Signed distances, in units of cells, at both ends of each grid edge that crosses the surface."""
        inside = self.distances.detach() < 0
        edges = self.grid.edges
        cut = edges[inside[edges[:, 0]] != inside[edges[:, 1]]]
        return self.distances[cut] * (self.config.resolution / (2 * self.bound))

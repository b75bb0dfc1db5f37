"""FlexiCubes: a surface extracted from signed distances, offsets and weights on a grid of cubes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Positive, Samples
from maquette.config.capabilities import GEOMETRY_DEVIATION, GEOMETRY_SIGN_CHANGES, Capabilities
from maquette.geometry._hash_field import HashField, HashFieldConfig
from maquette.geometry.base import Surface, SurfaceMesh
from maquette.kernels.flexicubes import CubeGrid, DualSurface, cube_grid, flexicubes
from maquette.randomness import Moment
from maquette.registry import register

WEIGHT_RANGE = 0.99  # alpha and beta lie in 1 +- WEIGHT_RANGE, gamma in (1 +- WEIGHT_RANGE) / 2: none is ever 0


@dataclass(frozen=True)
class FlexiCubesMesh(SurfaceMesh):
    """A mesh with the regulariser of its dual vertices.

    Args:
        deviation: L_dev per dual vertex, a scalar in scene units; 0 for an empty surface.
    """

    deviation: Float[Tensor, ""]


@register("geometry", "flexicubes")
class FlexiCubes(Surface):
    """A signed distance and an offset at each corner of a grid, 21 weights in each cube; features from a hash grid.

    Corners move by at most half a cell, x + tanh(offset) cell / 2. While autograd is on, quadrilaterals are split at
    their midpoints into four triangles each; otherwise along a diagonal.

    Source: Shen et al. 2023 (FlexiCubes, arXiv 2308.05371), section 4; ranges of the weights as in the authors'
    release.
    """

    @dataclass(frozen=True)
    class Config(HashFieldConfig):
        resolution: Samples = 32  # cubes of the grid along each side
        radius: Positive = 0.5  # of the initial sphere, scene units
        move_corners: bool = True  # learn offsets too
        learn_weights: bool = True  # learn alpha, beta and gamma too

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).giving(GEOMETRY_DEVIATION, GEOMETRY_SIGN_CHANGES)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        self.texture = HashField(config, config.channels)
        self._grid = cube_grid(config.resolution)
        corners = self._grid.positions * config.bound
        self.register_buffer("corners", corners, persistent=False)
        self.corners: Tensor
        self.distances = nn.Parameter(corners.norm(dim=-1) - config.radius)
        self.offsets = nn.Parameter(torch.zeros_like(corners), requires_grad=config.move_corners)
        self.alpha, self.beta, self.gamma = (  # not activated
            nn.Parameter(torch.zeros(self._grid.cubes, *shape), requires_grad=config.learn_weights)
            for shape in ((8,), (12,), ())
        )

    @property
    def grid(self) -> CubeGrid:
        """The grid's connectivity, on the device of the corners."""
        if self._grid.positions.device != self.corners.device:
            self._grid = self._grid.to(self.corners.device)
        return self._grid

    def prepare(self, moment: Moment) -> None:
        self.texture.prepare(moment)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        shape = [self.distances, self.offsets, self.alpha, self.beta, self.gamma]
        return {"shape": [p for p in shape if p.requires_grad], **self.texture.groups()}

    def mesh(self) -> FlexiCubesMesh:
        surface = self.surface()
        split = surface.with_midpoints if torch.is_grad_enabled() else surface.with_diagonals
        deviation = surface.deviation.sum() / max(len(surface.deviation), 1)
        return FlexiCubesMesh(*split(), deviation)

    def surface(self) -> DualSurface:
        """The current quadrilaterals, before they are split into triangles; may be empty."""
        cell = 2 * self.bound / self.config.resolution
        return flexicubes(
            self.corners + torch.tanh(self.offsets) * (cell / 2),
            self.distances,
            self.grid,
            alpha=1 + WEIGHT_RANGE * torch.tanh(self.alpha),
            beta=1 + WEIGHT_RANGE * torch.tanh(self.beta),
            gamma=(1 + WEIGHT_RANGE * torch.tanh(self.gamma)) / 2,
        )

    def features(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n F"]:
        return self.texture.outputs(points)

    def sign_changes(self) -> Float[Tensor, "m 2"]:
        """Signed distances, in units of cells, at both ends of each grid edge that crosses the surface."""
        n = self.config.resolution
        box = self.distances.reshape(n + 1, n + 1, n + 1)
        pairs = [
            torch.stack([box.narrow(axis, 0, n), box.narrow(axis, 1, n)], dim=-1).reshape(-1, 2) for axis in range(3)
        ]
        distances = torch.cat(pairs)
        return distances[(distances[:, 0] < 0) != (distances[:, 1] < 0)] * (n / (2 * self.bound))

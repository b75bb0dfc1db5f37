"""Volumes stored as low-rank factors: planes times lines (TensoRF), or three planes (EG3D)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

PLANES = ((1, 2), (2, 0), (0, 1))  # axes of each plane: rows, columns
INITIAL_STD = 0.1  # standard deviation of initial factors, as in TensoRF's released code


class Factors(nn.Module, ABC):
    """Components of a volume over [-1, 1]^3, linearly interpolated, constant beyond; the outer samples lie at +-1."""

    channels: int  # components K at each point

    def __init__(self, components: int, resolution: int) -> None:
        super().__init__()
        self.planes = nn.Parameter(INITIAL_STD * torch.randn(3, components, resolution, resolution))

    @abstractmethod
    def forward(self, positions: Float[Tensor, "n 3"]) -> Float[Tensor, "n K"]:
        """The components at `positions`."""

    def total_variation(self) -> Tensor:
        """Mean squared difference between neighbouring samples, along both axes of the planes together."""
        return self.planes.diff(dim=2).square().mean() + self.planes.diff(dim=3).square().mean()

    def _on_planes(self, positions: Float[Tensor, "n 3"]) -> Float[Tensor, "3 R n"]:
        at = torch.stack([positions[:, [columns, rows]] for rows, columns in PLANES])  # grid_sample takes columns first
        return _sample(self.planes, at)


class VectorMatrix(Factors):
    """3 R components A_r(x, y, z) = M_r(y, z) v_r(x), and the same with y and with z alone.

    Source: Chen et al. 2022 (TensoRF, arXiv 2203.09517), sec. 3 and 4 ("VM").
    """

    def __init__(self, components: int, resolution: int) -> None:
        super().__init__(components, resolution)
        self.channels = 3 * components
        self.lines = nn.Parameter(INITIAL_STD * torch.randn(3, components, resolution))

    def forward(self, positions: Float[Tensor, "n 3"]) -> Float[Tensor, "n K"]:
        across = positions.T[:, :, None]
        on_lines = _sample(self.lines[..., None], torch.cat([torch.zeros_like(across), across], dim=-1))
        return (self._on_planes(positions) * on_lines).flatten(0, 1).T

    def total_variation(self) -> Tensor:
        return super().total_variation() + self.lines.diff(dim=2).square().mean()


class TriPlane(Factors):
    """R components A_r(x, y, z) = M_r(y, z) + M'_r(z, x) + M''_r(x, y).

    Source: Chan et al. 2022 (EG3D, arXiv 2112.07945), sec. 4.
    """

    def __init__(self, components: int, resolution: int) -> None:
        super().__init__(components, resolution)
        self.channels = components

    def forward(self, positions: Float[Tensor, "n 3"]) -> Float[Tensor, "n K"]:
        return self._on_planes(positions).sum(0).T


def _sample(grids: Float[Tensor, "3 R h w"], at: Float[Tensor, "3 n 2"]) -> Float[Tensor, "3 R n"]:
    return functional.grid_sample(grids, at[:, None], align_corners=True, padding_mode="border")[:, :, 0]

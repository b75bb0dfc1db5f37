"""A density and feature field stored as low-rank factors: TensoRF's vector-matrix form, or a tri-plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, Count, CountOrNone, Positive, Samples
from maquette.config.capabilities import GEOMETRY_TOTAL_VARIATION, Capabilities
from maquette.geometry._factors import TriPlane, VectorMatrix
from maquette.geometry._mlp import mlp
from maquette.geometry.base import Field, FieldSample
from maquette.geometry.density import DensityConfig, density_normal, density_of
from maquette.registry import register


@register("geometry", "tensorf")
class TensoRF(Field):
    """One set of factors for density and one for features, both in the form that `decomposition` names.

    - "vm": the density components are summed; the feature components go through a small MLP.
    - "triplane": each goes through an MLP, since three summed planes alone hardly describe a shape.

    With `layers: 0` the MLPs are linear maps (the basis B of TensoRF).

    Source: Chen et al. 2022 (TensoRF, arXiv 2203.09517), sec. 4; tri-plane: Chan et al. 2022 (EG3D, arXiv 2112.07945),
    sec. 4, but with factors of its own for density.
    """

    @dataclass(frozen=True)
    class Config(DensityConfig):
        decomposition: Literal["vm", "triplane"] = "vm"  # form of the factors
        bound: Positive = 1.0  # half side of the cube, scene units
        resolution: Samples = 128  # samples along each side of the planes and lines
        density_components: Count = 16  # R_sigma, for each of the three directions
        feature_components: Count = 48  # R_c, for each of the three directions
        width: Channels = 64  # MLP width
        layers: CountOrNone = 1  # hidden layers; 0: linear
        channels: Channels = 3  # features for the material
        shift: float = 0.0  # added to the raw density (TensoRF: -10, without a blob)
        normals: Literal["analytic", "finite-difference"] = "finite-difference"  # how normals are computed

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).giving(GEOMETRY_TOTAL_VARIATION)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.bound, self.channels = config, config.bound, config.channels
        kind = VectorMatrix if config.decomposition == "vm" else TriPlane
        self.shape = kind(config.density_components, config.resolution)
        self.paint = kind(config.feature_components, config.resolution)
        c, density = config, self.shape.channels
        self.to_density = _Sum() if kind is VectorMatrix else mlp(density, c.width, c.layers, 1)
        self.to_features = mlp(self.paint.channels, c.width, c.layers, c.channels)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        factors, networks = (self.shape, self.paint), (self.to_density, self.to_features)
        return {
            "geometry": [p for part in factors for p in part.parameters()],
            "network": [p for part in networks for p in part.parameters()],
        }

    def density(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        return density_of(self.to_density(self.shape(points / self.bound))[:, 0], points, self.config)

    def query(self, points: Float[Tensor, "n 3"], normals: bool = False) -> FieldSample:
        normal = density_normal(self.density, points, self.config) if normals else None
        return FieldSample(self.density(points), self.to_features(self.paint(points / self.bound)), normal)

    def total_variation(self) -> Tensor:
        """Mean squared difference between neighbouring samples of the factors, summed over density and features."""
        return self.shape.total_variation() + self.paint.total_variation()


class _Sum(nn.Module):
    """The sum of all components [n, 1]."""

    def forward(self, components: Float[Tensor, "n K"]) -> Float[Tensor, "n 1"]:
        return components.sum(-1, keepdim=True)

"""The contract of a generator, a feed-forward model of 3D, and the forms in which it hands over what it made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.data.formats import PosedImages
from maquette.geometry.splat_cloud import SplatCloud
from maquette.meshes.mesh import Mesh
from maquette.priors.base import Request
from maquette.randomness import Draws


@dataclass(frozen=True)
class DistanceGrid:
    """Signed distances on a regular grid of points, negative inside.

    Args:
        distances: in scene units [X, Y, Z]; beyond a truncation they may be any value of the right sign.
        low: position of the first grid point, scene units.
        cell: distance of neighbouring grid points, scene units.
        colors: sRGB [X, Y, Z, 3] in [0, 1]; None: unknown.
    """

    distances: Float[Tensor, "X Y Z"]
    low: tuple[float, float, float]
    cell: float
    colors: Float[Tensor, "X Y Z 3"] | None = None


Generated = Mesh | DistanceGrid | SplatCloud
"""What a generator makes, in world axes (z up, front along +x), about the origin."""


class Generator(ABC):
    """A part of the kind `generator`: built from its Config, called once per stage."""

    @abstractmethod
    def generate(self, request: Request, views: PosedImages | None, draws: Draws) -> Generated:
        """Make an object.

        Args:
            request: prompt and reference pictures.
            views: posed pictures of the object, of one size; None: the stage has none.
            draws: random numbers, keyed.

        Raises:
            ConfigError: it needs views and there are none, or takes other cameras.
        """

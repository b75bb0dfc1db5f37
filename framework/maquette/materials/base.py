"""The contract of a material."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from maquette.randomness import Draws


@dataclass(frozen=True)
class Shading:
    """How one step is lit.

    Args:
        ambient: share of the colour that needs no light.
        diffuse: share that follows the cosine of light and normal; 0 means no normals are needed.
        textureless: whether albedo is replaced by white.
    """

    ambient: float = 1.0
    diffuse: float = 0.0
    textureless: bool = False


class Material(nn.Module):
    """Turns a field's features into colour."""

    channels: int  # features it reads

    def shading(self, step: int, total: int, draws: Draws) -> Shading:
        """How to light this step; the default is unlit."""
        return Shading()

    def albedo(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 3"]:
        """Unlit colour in [0, 1]."""
        raise NotImplementedError

    def shade(
        self,
        features: Float[Tensor, "n F"],
        points: Float[Tensor, "n 3"],
        normals: Float[Tensor, "n 3"] | None,
        lights: Float[Tensor, "n 3"],
        shading: Shading,
    ) -> Float[Tensor, "n 3"]:
        """Colour of samples in [0, 1], lit by a point light at `lights`; the default ignores light."""
        return self.albedo(features)

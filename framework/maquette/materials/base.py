"""The contract of a material."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from maquette.config.capabilities import RENDERED_NORMAL, Capabilities
from maquette.randomness import Moment


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


@dataclass(frozen=True)
class ShadingPoints:
    """Samples to be shaded: of a ray, of a surface, or one of each Gaussian.

    Args:
        features: not activated; at least as many as the material's `channels` [n, F].
        positions: where the samples are, world frame [n, 3].
        normals: unit normals [n, 3]; None where the material and the shading need none.
        directions: unit, from the camera to the sample [n, 3].
        lights: position of the point light that belongs to each sample's camera [n, 3].
    """

    features: Float[Tensor, "n F"]
    positions: Float[Tensor, "n 3"]
    normals: Float[Tensor, "n 3"] | None
    directions: Float[Tensor, "n 3"]
    lights: Float[Tensor, "n 3"]


@dataclass(frozen=True)
class Reflectance:
    """What a metallic-roughness material is at points, as glTF and other exchange formats store it.

    Args:
        albedo: base colour, sRGB in [0, 1].
        metallic: 0 (dielectric) to 1 (metal).
        roughness: perceptual, 0 (mirror) to 1.
    """

    albedo: Float[Tensor, "n 3"]
    metallic: Float[Tensor, "n 1"]
    roughness: Float[Tensor, "n 1"]


class Material(nn.Module, ABC):
    """Turns features into colour, sample by sample: of a ray, of a surface, or one of each Gaussian.

    Args:
        config: an instance of the class's Config.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        capabilities = self.capabilities(config)
        self.latent_channels = capabilities.latent_channels
        self.needs_normals = RENDERED_NORMAL in capabilities.needs

    @classmethod
    @abstractmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """How many features it reads, and how many channels the latents have that it draws.

        One that draws latents needs RENDERED_LATENTS, and one whose `shade` reads normals however a step is lit
        RENDERED_NORMAL.
        """

    def shading(self, moment: Moment) -> Shading:
        """How to light this step; the default is unlit."""
        return Shading()

    @abstractmethod
    def albedo(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 3"]:
        """Unlit sRGB colour in [0, 1]."""

    def reflectance(self, features: Float[Tensor, "n F"]) -> Reflectance | None:
        """Albedo, metallic and roughness for exporters; None for materials that have only an albedo."""
        return None

    def latents(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n C"]:
        """What a latent diffusion model denoises, C = `latent_channels`; only where that is not 0."""
        raise TypeError(f"{type(self).__name__} draws no latents")

    def shade(self, points: ShadingPoints, shading: Shading) -> Float[Tensor, "n 3"]:
        """sRGB colour of samples in [0, 1]; the default ignores light.

        Args:
            points: the samples.
            shading: how the step is lit.
        """
        return self.albedo(points.features)

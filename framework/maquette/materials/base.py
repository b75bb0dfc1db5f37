"""The contract of a material, and the types that it exchanges with renderers and exporters."""

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
    """The lighting of one step.

    Args:
        ambient: fraction of the colour that is independent of light.
        diffuse: fraction proportional to the cosine of light and normal; at 0 no normals are needed.
        textureless: whether albedo is replaced by white.
    """

    ambient: float = 1.0
    diffuse: float = 0.0
    textureless: bool = False


@dataclass(frozen=True)
class ShadingPoints:
    """Points to be shaded: samples on rays, surface points, or one point per Gaussian.

    Args:
        features: not activated [n, F]; F is at least the material's `feature_channels`.
        positions: world frame [n, 3].
        normals: unit normals [n, 3]; None where the material and the shading need none.
        directions: unit vectors from the camera to the points [n, 3].
        lights: positions of the point lights of each point's camera [n, 3].
    """

    features: Float[Tensor, "n F"]
    positions: Float[Tensor, "n 3"]
    normals: Float[Tensor, "n 3"] | None
    directions: Float[Tensor, "n 3"]
    lights: Float[Tensor, "n 3"]


@dataclass(frozen=True)
class Reflectance:
    """Parameters of a metallic-roughness material at points, as glTF defines them.

    Args:
        albedo: base colour, sRGB in [0, 1].
        metallic: 0 (dielectric) to 1 (metal).
        roughness: perceptual, 0 (mirror) to 1.
    """

    albedo: Float[Tensor, "n 3"]
    metallic: Float[Tensor, "n 1"]
    roughness: Float[Tensor, "n 1"]


class Material(nn.Module, ABC):
    """Maps features to colour, point by point: samples on rays, surface points, or one point per Gaussian.

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
        """Number of features that it reads, and of latent channels that it produces.

        A material that produces latents needs RENDERED_LATENTS; one that always shades by normals needs
        RENDERED_NORMAL.
        """

    def shading(self, moment: Moment) -> Shading:
        """The lighting of this step; by default unlit."""
        return Shading()

    @abstractmethod
    def albedo(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 3"]:
        """Unlit sRGB colour in [0, 1]."""

    def reflectance(self, features: Float[Tensor, "n F"]) -> Reflectance | None:
        """Albedo, metallic and roughness for exporters; None for materials that have only an albedo."""
        return None

    def latents(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n C"]:
        """Latents of a latent diffusion model, C = `latent_channels`; only for materials where that is not 0."""
        raise TypeError(f"{type(self).__name__} draws no latents")

    def shade(self, points: ShadingPoints, shading: Shading) -> Float[Tensor, "n 3"]:
        """Shaded sRGB colour in [0, 1]; by default the albedo.

        Args:
            points: positions, normals and features to shade.
            shading: the lighting of the step.
        """
        return self.albedo(points.features)

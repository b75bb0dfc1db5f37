"""A material with Stable Diffusion's latents as features."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.config.capabilities import RENDERED_LATENTS, Capabilities
from maquette.kernels.precision import in_float32
from maquette.materials.base import Material
from maquette.registry import register

LATENT_TO_RGB = (
    (0.298, 0.207, 0.208),
    (0.187, 0.286, 0.173),
    (-0.158, 0.189, 0.264),
    (-0.184, -0.271, -0.473),
)
"""Linear map from each latent channel, scaled for the UNet, to red, green and blue in [-1, 1]; fitted to SD 1.4."""


@register("material", "latent")
class Latent(Material):
    """Four features are the latents z; a linear map gives the colour, rgb = (z M + 1) / 2.

    Renderings of latents go to the prior without an autoencoder. With `refine` the renderings are colours, M is learnt,
    and the autoencoder encodes them as usual.

    Source: Metzer et al. 2022 (Latent-NeRF, arXiv 2211.07600), also "RGB refinement"; the map: keturn 2022,
    discuss.huggingface.co/t/23204, "Decoding latents to RGB without upscaling".
    """

    @dataclass(frozen=True)
    class Config:
        refine: bool = False  # render colour instead of latents, and learn the map

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        own = Capabilities(feature_channels=4)
        return own if config.refine else replace(own, latent_channels=4).needing(RENDERED_LATENTS)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        to_rgb = torch.tensor(LATENT_TO_RGB)
        if config.refine:
            self.register_parameter("to_rgb", nn.Parameter(to_rgb))
        else:
            self.register_buffer("to_rgb", to_rgb)
        self.to_rgb: Tensor

    def latents(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 4"]:
        return features[:, :4]

    @in_float32
    def albedo(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 3"]:
        return ((self.latents(features) @ self.to_rgb + 1) / 2).clamp(0, 1)

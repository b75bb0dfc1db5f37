"""Base of the priors that extend Stable Diffusion by a further condition."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from maquette.priors.base import Prior
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.text_to_image import TextToImageConfig


class OverStableDiffusion(Prior):
    """A prior around a Stable Diffusion model: same latents, noise schedule and device."""

    model_class: type[StableDiffusion] = StableDiffusion

    def __init__(self, config: TextToImageConfig) -> None:
        self.model = self.model_class(config)
        self.noise_schedule = self.model.noise_schedule
        self.device = self.model.device

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        return self.model.encode(rgb)

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        return self.model.decode(latents)

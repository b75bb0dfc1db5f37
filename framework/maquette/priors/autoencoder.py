"""The way between pictures and what a model of diffusers' denoises."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from maquette.images.pixels import to_pixels, to_rgb


class Pictures:
    """The way between pictures and what a model denoises.

    Args:
        vae: diffusers' autoencoder; none: the model denoises pixels.
        size: picture side that the model is given.
        device: where to compute.
        offload: keep the autoencoder on the CPU between uses; where a gradient is to pass through it, a use lasts
            until the gradient has.
    """

    def __init__(self, vae: Any, size: int, device: torch.device, offload: bool = False) -> None:
        self.vae, self.size, self.device = vae, size, device
        self._offload, self._awaited = offload, 0  # gradients that are still to pass
        if vae is not None and not offload:
            vae.to(device)

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """Pictures in [0, 1] -> latents, scaled; or pixels in [-1, 1]."""
        return self.compress(self.pixels(rgb))

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """The inverse, cut to [0, 1]."""
        return to_rgb(self.expand(latents))

    def pixels(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 size size"]:
        """Pictures in [0, 1] -> pixels in [-1, 1] of the size that the model is given."""
        pixels = to_pixels(rgb.to(self.device))
        if pixels.shape[-1] == self.size:
            return pixels
        return interpolate(pixels, (self.size, self.size), mode="bilinear", align_corners=False)

    def compress(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Pixels of any size -> latents, scaled; without an autoencoder, the pixels."""
        if self.vae is None:
            return pixels
        latents = self.vae.to(self.device).encode(pixels).latent_dist.mean
        if latents.requires_grad and pixels.requires_grad:
            self._awaited += 1
            pixels.register_hook(self._passed)
        self._rest()
        return latents * self.vae.config.scaling_factor

    @torch.no_grad()
    def expand(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 3 H W"]:
        """The inverse."""
        if self.vae is None:
            return latents
        pixels = self.vae.to(self.device).decode(self.unscaled(latents)).sample
        self._rest()
        return pixels

    def unscaled(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Latents as the autoencoder has them."""
        return latents if self.vae is None else latents / self.vae.config.scaling_factor

    def _passed(self, gradient: Tensor) -> None:
        self._awaited -= 1
        self._rest()

    def _rest(self) -> None:
        if self._offload and not self._awaited:
            self.vae.to("cpu")


def picture_size(side: int, vae: Any) -> int:
    """The side in pixels of the pictures of a model that denoises squares of this side."""
    return side if vae is None else side * 2 ** (len(vae.config.block_out_channels) - 1)

"""Encoding of pictures into what a diffusers model denoises, latents or pixels, and decoding back."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from maquette.errors import ConfigError
from maquette.images.pixels import to_pixels, to_rgb


class PictureCodec:
    """Encodes pictures into latents with an autoencoder, or into pixels in [-1, 1] without one, and decodes them.

    Args:
        vae: diffusers' AutoencoderKL; None: the model denoises pixels.
        size: side in pixels of the pictures that are encoded.
        device: where to compute.
        offload: keep the autoencoder on the CPU between uses; after an encoding with gradients it stays on the
            device until the backward pass.
    """

    def __init__(self, vae: Any, size: int, device: torch.device, offload: bool = False) -> None:
        self.vae, self.size, self.device = vae, size, device
        self._offload, self._pending_gradients = offload, 0  # encodings that wait for their backward pass
        if vae is not None:
            shift, factor = latent_scale(vae.config)
            self._shift, self._factor = shift.to(device), factor.to(device)
        if vae is not None and not offload:
            vae.to(device)

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """Pictures in [0, 1] -> scaled latents, or pixels in [-1, 1] without an autoencoder; differentiable."""
        return self.encode_pixels(self.preprocess(rgb))

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """The inverse of `encode`, clamped to [0, 1]."""
        return to_rgb(self.decode_to_pixels(latents))

    def preprocess(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 size size"]:
        """Pictures in [0, 1] -> pixels in [-1, 1], resized to `size`."""
        pixels = to_pixels(rgb.to(self.device))
        if pixels.shape[2:] == (self.size, self.size):
            return pixels
        return interpolate(pixels, (self.size, self.size), mode="bilinear", align_corners=False)

    def encode_pixels(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Pixels in [-1, 1] of any size -> scaled latents; without an autoencoder, the pixels unchanged."""
        if self.vae is None:
            return pixels
        latents = self.vae.to(self.device).encode(pixels).latent_dist.mean
        if latents.requires_grad and pixels.requires_grad:
            self._pending_gradients += 1
            pixels.register_hook(self._on_gradient)
        self._offload_if_idle()
        return (latents - self._shift) * self._factor

    @torch.no_grad()
    def sample_latents(
        self, pixels: Float[Tensor, "B 3 H W"], noise: Float[Tensor, "B C h w"]
    ) -> Float[Tensor, "B C h w"]:
        """Scaled latents drawn from the autoencoder's posterior; without an autoencoder, the pixels unchanged.

        Args:
            pixels: in [-1, 1], of any size.
            noise: standard normal, of the latents' shape; `encode_pixels` gives the latents of zeros.
        """
        if self.vae is None:
            return pixels
        posterior = self.vae.to(self.device).encode(pixels).latent_dist
        self._offload_if_idle()
        return (posterior.mean + posterior.std * noise - self._shift) * self._factor

    @torch.no_grad()
    def decode_to_pixels(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 3 H W"]:
        """The inverse of `encode_pixels`."""
        if self.vae is None:
            return latents
        pixels = self.vae.to(self.device).decode(self.unscale(latents)).sample
        self._offload_if_idle()
        return pixels

    def unscale(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Latents as the autoencoder gives them, from scaled ones; without an autoencoder, unchanged."""
        return latents if self.vae is None else latents / self._factor + self._shift

    def _on_gradient(self, gradient: Tensor) -> None:
        self._pending_gradients -= 1
        self._offload_if_idle()

    def _offload_if_idle(self) -> None:
        if self._offload and not self._pending_gradients:
            self.vae.to("cpu")


def latent_scale(config: Any) -> tuple[Float[Tensor, "C 1 1"], Float[Tensor, "C 1 1"]]:
    """(shift, factor) of an autoencoder's latents; what is denoised is (latents - shift) factor.

    With `latents_mean` and `latents_std`, the factor is `scaling_factor` / std (Playground 2.5).

    Source: diffusers, StableDiffusionXLPipeline and, for `shift_factor`, StableDiffusion3Pipeline.

    Raises:
        ConfigError: the config has something else than numbers for these.
    """
    mean = config.get("latents_mean") or [config.get("shift_factor") or 0.0]
    std = config.get("latents_std") or [1.0]
    factor, channels = config.get("scaling_factor"), config.get("latent_channels")
    lists = all(
        isinstance(values, list | tuple) and len(values) in (1, channels) and all(_is_number(one) for one in values)
        for values in (mean, std)
    )
    if not (lists and _is_number(factor) and factor and all(std)):
        raise ConfigError(
            f"the autoencoder's config has scaling_factor {factor!r}, mean {mean!r:.60} and deviation {std!r:.60} of "
            f"its latents, and numbers are right, one or {channels} of mean and deviation", key="prior.path",
        )  # fmt: skip
    shift, deviation = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (mean, std))
    return shift, factor / deviation


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def picture_size(side: int, vae: Any) -> int:
    """Picture side in pixels of a model that denoises latents (or pixels) of this side."""
    return side if vae is None else side * 2 ** (len(vae.config.block_out_channels) - 1)


def trained_size(side: Any, vae: Any, chosen: int, key: str = "prior.path") -> int:
    """Picture side in pixels that a model was trained on, from the `sample_size` of its UNet.

    Args:
        side: `sample_size`; some configs leave it out.
        vae: its autoencoder, or None.
        chosen: the side in the prior's config, which is taken instead; 0: none is.
        key: config key, for messages.

    Raises:
        ConfigError: the UNet's config states no side, and none is chosen.
    """
    if isinstance(side, int) and not isinstance(side, bool) and side > 0:
        return picture_size(side, vae)
    if chosen > 0:
        return chosen
    raise ConfigError(
        f"the UNet's config has sample_size {side!r}, which does not say how large its pictures are", key=key,
        hint="set prior.size to their side in pixels",
    )  # fmt: skip

"""Text-to-image diffusion models in diffusers' layout: SD 1.x and 2.x, and pixel-space models of the same make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.priors._diffusers import (
    DtypeName,
    Pictures,
    Weights,
    check_path,
    choose_device,
    choose_dtype,
    clip_embeddings,
    picture_size,
    run_unet,
)
from maquette.priors._lora import LoraFile, fold_lora
from maquette.priors._new_words import NewWord
from maquette.priors._text import TEXT_CONDITIONS, TextConditions, ViewWords, stamp, text_conditions
from maquette.priors._textual_inversion import add_embeddings, read_embeddings, spelled_out
from maquette.priors._unet_copies import UNetCopy
from maquette.priors.base import CopyKind, Prior, Request
from maquette.registry import register


@register("prior", "stable-diffusion")
class StableDiffusion(Prior):
    """A text-to-image diffusion model: latent with an autoencoder, or in pixel space without one.

    Epsilon, v and sample prediction come from the scheduler's own config. A UNet with twice as many output as input
    channels (DeepFloyd IF's learned variance) gives its first half. Only safetensors are read, never pickles.

    Source: Rombach et al. 2022 (arXiv 2112.10752); view-dependent text: Poole et al. 2022 (arXiv 2209.14988), sec. 3.2.
    """

    @dataclass(frozen=True)
    class Config:
        path: str  # folder, name of weights that a plugin carries, or hub repository
        dtype: DtypeName = "auto"  # of the UNet's arithmetic
        device: str = "auto"  # "cpu", "cuda", "cuda:1" ...
        size: int = 0  # picture side the model is given; 0: the model's own
        view_dependent: bool = True  # add "front view", "side view" ... to the prompt
        views: ViewWords = field(default_factory=ViewWords)
        attention_slicing: bool = False  # less memory, slower
        cpu_offload: bool = False  # keep the autoencoder on the CPU between uses
        lora: tuple[LoraFile, ...] = ()  # added to the weights of UNet and text encoder
        embeddings: tuple[str, ...] = ()  # files of textual inversion, whose tokens prompts may then use

        def __post_init__(self) -> None:
            if missing := [name for name in self.embeddings if not Path(name).expanduser().is_file()]:
                raise ValueError(f"embeddings: there is no file {missing[0]}")
            check_path(self.path)

    gives = TEXT_CONDITIONS
    copies = frozenset({"lora", "copy"})
    learns_words = True

    def __init__(self, config: Config) -> None:
        from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

        self.config = config
        self.device = choose_device(config.device)
        self.dtype = choose_dtype(config.dtype, self.device)
        self._weights = Weights(config.path)
        latent = self._weights.index().get("vae", [None])[0] is not None
        scheduler = self._weights.load(DDPMScheduler, "scheduler")
        self.prediction = scheduler.config.prediction_type
        self.alphas_cumprod = scheduler.alphas_cumprod.to(self.device)
        self.unet: Any = self._weights.load_network(UNet2DConditionModel, "unet")
        vae: Any = self._weights.load_network(AutoencoderKL, "vae") if latent else None
        for lora in config.lora:
            fold_lora(self.unet, "unet", lora)
        self.unet.to(self.device, memory_format=torch.channels_last)
        if config.attention_slicing:
            self.unet.set_attention_slice("auto")
        self.channels = vae.config.latent_channels if latent else self.unet.config.in_channels
        self.size = config.size or picture_size(self.unet.config.sample_size, vae)
        self._pictures = Pictures(vae, self.size, self.device, config.cpu_offload)

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        return self._pictures.encode(rgb)

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        return self._pictures.decode(latents)

    def unscaled(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Latents as the autoencoder has them."""
        return self._pictures.unscaled(latents)

    def condition(self, request: Request) -> TextConditions:
        c = self.config
        learned = [*(Path(name).expanduser() for name in c.embeddings), *request.words]
        model = self._weights.text_identity
        for path in (*learned, *(Path(lora.path).expanduser() for lora in c.lora)):
            model += f" {path} {stamp(path)}"
        model += f" {[lora.scale for lora in c.lora]}" if c.lora else ""
        embed = partial(self._embed, learned)
        return text_conditions(request, c.views, c.view_dependent, model, embed, self.device)

    def _embed(self, learned: Sequence[Path], texts: Sequence[str]) -> Float[Tensor, "n L D"]:
        """Embeddings of texts, which may use the words of files; the text encoder lives only here."""
        tokenizer, encoder = self._text_encoder()
        for path in learned:
            texts = spelled_out(texts, add_embeddings(tokenizer, encoder, read_embeddings(path)))
        return clip_embeddings(tokenizer, encoder, texts)

    def _text_encoder(self) -> tuple[Any, Any]:
        """Tokenizer and text encoder, LoRA folded in."""
        from transformers import AutoTokenizer, CLIPTextModel

        encoder = self._weights.load_network(CLIPTextModel, "text_encoder")
        for lora in self.config.lora:
            fold_lora(encoder, "text_encoder", lora)
        return self._weights.load(AutoTokenizer, "tokenizer"), encoder

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        steps: Int[Tensor, " B"],
        conditions: Mapping[str, Float[Tensor, "B L D"]],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        count = len(conditions)
        text = torch.cat(list(conditions.values()))
        outputs = self.network(torch.cat([noisy] * count), torch.cat([steps] * count), text).chunk(count)
        return {name: self.epsilon(out, noisy, steps) for name, out in zip(conditions, outputs, strict=True)}

    def network(
        self, inputs: Float[Tensor, "B I h w"], steps: Int[Tensor, " B"], text: Float[Tensor, "B L D"]
    ) -> Float[Tensor, "B C h w"]:
        """What the UNet itself gives: the noise, v or the clean picture, after `prediction`."""
        dtype = torch.bfloat16 if self.dtype == torch.float16 and text.requires_grad else self.dtype  # see `UNetCopy`
        return run_unet(self.unet, inputs, steps, text, dtype)[:, : self.channels]

    def trainable_copy(self, kind: CopyKind, rank: int) -> UNetCopy:
        return UNetCopy(self.unet, self.channels, kind, rank, self.dtype)

    def trainable_word(self, token: str, meaning: str) -> NewWord:
        tokenizer, encoder = self._text_encoder()
        return NewWord(tokenizer, encoder.to(self.device), token, meaning, self.network)

"""Text-to-image diffusion models in diffusers' layout: SD 1.x and 2.x, and pixel-space models of the same make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from maquette import plugins
from maquette.cameras.base import Cameras
from maquette.errors import ConfigError
from maquette.pretrained import quiet, weights_source
from maquette.priors._lora import LoraFile, fold_lora
from maquette.priors._text import TEXT_CONDITIONS, TextConditions, ViewWords, embed, identity, stamp
from maquette.priors._textual_inversion import add_embeddings, read_embeddings, spelled_out
from maquette.priors._unet_copies import UNetCopy
from maquette.priors.base import CopyKind, Prior, Request
from maquette.registry import register

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")


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
        dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"  # of the UNet's arithmetic
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
            path = Path(self.path).expanduser()
            if path.is_dir() or self.path in plugins.weights():
                return
            if self.path.startswith(("/", ".", "~")) or not HUB_NAME.match(self.path):
                known = ", ".join(plugins.weights()) or "none installed"
                raise ValueError(
                    f"there are no weights at {self.path!r}: neither a folder, nor a plugin's weights ({known}), "
                    "nor a hub name like org/model"
                )

    gives = TEXT_CONDITIONS
    copies = frozenset({"lora", "copy"})

    def __init__(self, config: Config) -> None:
        from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

        self.config = config
        self.source = weights_source(config.path)
        cuda = torch.cuda.is_available()
        self.device = torch.device(("cuda" if cuda else "cpu") if config.device == "auto" else config.device)
        self.dtype = self._choose_dtype()
        index = self._index()
        self.scheduler: Any = self._load(DDPMScheduler, "scheduler")
        self.prediction = self.scheduler.config.prediction_type
        self.alphas_cumprod = self.scheduler.alphas_cumprod.to(self.device)
        self.unet: Any = self._load(UNet2DConditionModel, "unet", weights=True)
        self.vae: Any = self._load(AutoencoderKL, "vae", weights=True) if index.get("vae", [None])[0] else None
        for lora in config.lora:
            fold_lora(self.unet, "unet", lora)
        self.unet.to(self.device, memory_format=torch.channels_last)
        if config.attention_slicing:
            self.unet.set_attention_slice("auto")
        if self.vae is not None and not config.cpu_offload:
            self.vae.to(self.device)
        self.channels = self.unet.config.in_channels if self.vae is None else self.vae.config.latent_channels
        scale = 2 ** (len(self.vae.config.block_out_channels) - 1) if self.vae is not None else 1
        self.size = config.size or self.unet.config.sample_size * scale

    def _choose_dtype(self) -> torch.dtype:
        if self.config.dtype != "auto":
            return DTYPES[self.config.dtype]
        if self.device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32

    def _index(self) -> dict[str, Any]:
        folder = Path(self.source)
        if folder.is_dir():
            path = folder / "model_index.json"
            if not path.is_file():
                raise ConfigError(f"not a model in diffusers' layout: {path} is missing", key="prior.path")
            return json.loads(path.read_text())
        from diffusers import DiffusionPipeline

        try:
            return dict(DiffusionPipeline.load_config(self.source))
        except (OSError, ValueError) as problem:
            raise self._unreadable("model_index.json", problem) from problem

    def _load(self, cls: Any, part: str, weights: bool = False) -> Any:
        # low_cpu_mem_usage would need accelerate, and says so at length
        extra = {"use_safetensors": True, "torch_dtype": torch.float32, "low_cpu_mem_usage": False} if weights else {}
        try:
            with quiet(self.source):
                loaded = cls.from_pretrained(self.source, subfolder=part, **extra)
        except Exception as problem:  # safetensors, json, hub and key errors have no common base
            raise self._unreadable(part, problem) from problem
        if weights:
            loaded.requires_grad_(False).eval()
        return loaded

    def _unreadable(self, part: str, problem: Exception) -> ConfigError:
        first = str(problem).strip().split("\n")[0][:200]
        return ConfigError(
            f"cannot load {part} of {self.config.path!r}: {type(problem).__name__}: {first}",
            key="prior.path", hint="give a folder in diffusers' layout with safetensors, or a hub name you can reach",
        )  # fmt: skip

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        pixels = rgb.to(self.device).permute(0, 3, 1, 2) * 2 - 1
        if pixels.shape[-1] != self.size:
            pixels = interpolate(pixels, (self.size, self.size), mode="bilinear", align_corners=False)
        if self.vae is None:
            return pixels
        latents = self.vae.to(self.device).encode(pixels).latent_dist.mean
        return latents * self.vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        pixels = latents
        if self.vae is not None:
            pixels = self.vae.to(self.device).decode(self.unscaled(latents)).sample
        return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)

    def unscaled(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Latents as the autoencoder has them."""
        return latents if self.vae is None else latents / self.vae.config.scaling_factor

    def condition(self, request: Request) -> TextConditions:
        words = self.config.views
        texts = {
            view: words.text(request.prompt, view) if self.config.view_dependent else request.prompt
            for view in words.names
        }
        folder = Path(self.source)
        model = identity(folder) if folder.is_dir() else self.source
        for name in (*self.config.embeddings, *(lora.path for lora in self.config.lora)):
            model += f" {name} {stamp(Path(name).expanduser())}"
        model += f" {[lora.scale for lora in self.config.lora]}" if self.config.lora else ""
        known = embed([*texts.values(), request.prompt, request.negative_prompt, ""], model, self._embed)
        by_view = {view: known[text].to(self.device) for view, text in texts.items()}
        negative, empty = known[request.negative_prompt].to(self.device), known[""].to(self.device)
        return TextConditions(by_view, known[request.prompt].to(self.device), negative, empty, words)

    @torch.no_grad()
    def _embed(self, texts: Sequence[str]) -> Float[Tensor, "n L D"]:
        """Embeddings of texts; the text encoder lives only here."""
        from transformers import AutoTokenizer, CLIPTextModel

        tokenizer = self._load(AutoTokenizer, "tokenizer")
        encoder = self._load(CLIPTextModel, "text_encoder", weights=True)
        for lora in self.config.lora:
            fold_lora(encoder, "text_encoder", lora)
        learned = [read_embeddings(Path(name).expanduser()) for name in self.config.embeddings]
        for embeddings in learned:
            texts = spelled_out(texts, add_embeddings(tokenizer, encoder, embeddings))
        tokens = tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=tokenizer.model_max_length,
            return_tensors="pt",
        )  # fmt: skip
        return encoder(tokens.input_ids).last_hidden_state

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
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            output = self.unet(inputs, steps, text).sample
        return output[:, : self.channels].float()

    def trainable_copy(self, kind: CopyKind, rank: int) -> UNetCopy:
        return UNetCopy(self.unet, self.channels, kind, rank, self.dtype)

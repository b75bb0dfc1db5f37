"""A small text-to-image diffusion model in pixel space, trained from scratch and saved in diffusers' layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.annotations import Channels, Count, CountOrNone, Fraction, NonNegative, Pixels, WeightsPath
from maquette.datasets.base import CaptionedDataset, CaptionedImages
from maquette.images.sheets import picture_grid
from maquette.learners._diffusion import (
    DiffusionLearner,
    UNetSizes,
    VelocityDiffusion,
    held_out_batches,
    small_text_encoder,
    small_unet,
)
from maquette.learners.base import Networks, word_tokenizer
from maquette.perception.tokens import tokenize
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.diffusers_folder import Weights
from maquette.weights.hub import hub_arguments
from maquette.weights.loading import halved, quiet, weights_source

CHUNK = 256  # held-out images per batch of the evaluation


@register("learner", "text-to-image")
class TextToImageLearner(DiffusionLearner[CaptionedDataset, CaptionedImages]):
    """Velocity-prediction diffusion on images, conditioned on a jointly trained CLIP-style text encoder.

    The layout is that of DeepFloyd IF's first stage: pixels in [-1, 1] and six output channels, of which the last three
    are a learned variance there. Here they are not trained, and the scheduler has `variance_type: fixed_small`.
    """

    @dataclass(frozen=True)
    class Config:
        size: Pixels = 64  # image side in pixels
        widths: tuple[Channels, ...] = (32, 64, 96, 128)  # channels per resolution, full resolution first
        layers: Count = 1  # residual blocks per resolution
        heads: Count = 4  # attention heads
        attention_levels: CountOrNone = 2  # number of the coarsest resolutions with self- and cross-attention
        text_width: Channels = 128  # text embedding size
        text_layers: Count = 2  # transformer layers of the text encoder
        tokens: Count = 77  # tokens per caption; diffusers pads its texts to 77
        snr_gamma: NonNegative = 5.0  # gamma of the min-SNR weight; 0: all timesteps have weight 1
        drop_caption: Fraction = 0.1  # probability of training on the empty caption
        average_decay: Fraction = 0.9995  # of the weight average that is saved
        sample_steps: Count = 30  # sampler steps of the sample sheet
        sample_scale: float = 3.0  # guidance scale of the sample sheet
        evaluated: Count = 1024  # held-out images of the evaluation
        start: WeightsPath = ""  # initial weights of the same sizes: a folder, or the name of a plugin's weights

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: CaptionedDataset) -> None:
        c = self.config
        self.tokenizer = word_tokenizer(dataset.words(), c.tokens)
        sizes = UNetSizes(c.size, c.widths, c.layers, c.heads, c.attention_levels)
        unet = small_unet(sizes, in_channels=3, out_channels=6, context_width=c.text_width)
        text_encoder = small_text_encoder(self.tokenizer, c.text_width, c.text_layers, c.heads)
        if c.start:
            self._load_initial_weights(unet, text_encoder, weights_source(c.start))
        self.set_networks(Networks(unet=unet, text_encoder=text_encoder), c.average_decay)
        self.diffusion = VelocityDiffusion(c.snr_gamma)
        self._ids: dict[str, Tensor] = {}

    def _load_initial_weights(self, unet: nn.Module, text_encoder: nn.Module, source: str) -> None:
        """Load the weights at `source`; tokens that its vocabulary lacks keep their random embedding."""
        from transformers import CLIPTextModel, CLIPTokenizer

        place, revision = hub_arguments(source)
        old_unet = Weights(source, pickles=True, key="learner.start").unet()
        with quiet(source):
            old_text: Any = CLIPTextModel.from_pretrained(place, subfolder="text_encoder", **revision)
            old_ids = CLIPTokenizer.from_pretrained(place, subfolder="tokenizer", **revision).get_vocab()
        unet.load_state_dict(old_unet.state_dict())
        state, fresh = old_text.float().state_dict(), text_encoder.state_dict()
        (name,) = (name for name in state if name.endswith("token_embedding.weight"))
        table = fresh[name].clone()
        for token, index in self.tokenizer.get_vocab().items():
            if token in old_ids:
                table[index] = state[name][old_ids[token]]
        text_encoder.load_state_dict({**state, name: table})

    def _token_ids(self, captions: Any, device: torch.device) -> Int[Tensor, "B L"]:
        missing = [caption for caption in dict.fromkeys(captions) if caption not in self._ids]
        if missing:
            rows = tokenize(self.tokenizer, missing).input_ids
            self._ids.update(zip(missing, rows, strict=True))
        return torch.stack([self._ids[caption] for caption in captions]).to(device, non_blocking=True)

    def velocity_loss(self, networks: Any, batch: CaptionedImages, draws: Draws) -> Float[Tensor, ""]:
        device, count = batch.images.device, len(batch.images)
        keep_caption = draws.uniform("drop-caption", count).ge(self.config.drop_caption).tolist()
        ids = self._token_ids(
            [text if keep else "" for text, keep in zip(batch.captions, keep_caption, strict=True)], device
        )
        text = networks.text_encoder(ids).last_hidden_state

        def velocity(noisy: Tensor, t: Tensor) -> Tensor:
            return networks.unet(noisy, t, text).sample[:, :3]

        return self.diffusion.loss(velocity, batch.images, draws)

    @torch.no_grad()
    def sample(self, captions: Any, draws: Draws) -> Float[Tensor, "B H W 3"]:
        """Images of `captions` by DDIM from the averaged weights, with classifier-free guidance."""
        networks = self.averaged
        device = next(networks.parameters()).device
        ids = tokenize(self.tokenizer, [*captions, *([""] * len(captions))]).input_ids.to(device)
        text = networks.text_encoder(ids).last_hidden_state
        noise = draws.normal("sample", len(captions), 3, self.config.size, self.config.size).to(device)

        def velocity(noisy: Tensor, t: Tensor) -> Tensor:
            return networks.unet(noisy, t, text).sample[:, :3]

        return self.denoise(velocity, noise)

    def sample_sheet(self, dataset: CaptionedDataset, draws: Draws) -> np.ndarray:
        captions = list(dataset.sample_captions())
        return picture_grid(self.sample(captions, draws), columns=8)

    @torch.no_grad()
    def evaluate(self, dataset: CaptionedDataset, draws: Draws) -> dict[str, float]:
        """Mean weighted loss of the averaged weights on held-out objects."""
        batches = held_out_batches(dataset, draws, self.config.evaluated, CHUNK)
        return {"held-out velocity": self.held_out_velocity(batches, CHUNK)}

    def save(self, folder: Path) -> None:
        with quiet():
            from diffusers import IFPipeline

        networks = self.averaged
        pipeline: Any = IFPipeline(
            tokenizer=self.tokenizer,
            text_encoder=halved(networks.text_encoder),
            unet=halved(networks.unet),
            scheduler=self.diffusion.scheduler,
            safety_checker=None,
            feature_extractor=None,
            watermarker=None,
            requires_safety_checker=False,
        )
        with quiet():
            pipeline.save_pretrained(folder, safe_serialization=True)

"""A small text-to-image diffusion model in pixel space, trained from scratch and saved in diffusers' layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from maquette.data.base import CaptionedDataset, CaptionedImages
from maquette.learners.base import Average, Learner, tokenize, word_tokenizer
from maquette.pretrained import quiet, weights_source
from maquette.randomness import Draws
from maquette.registry import register
from maquette.terms import Terms


class _Networks(nn.Module):
    """The trainable pair: denoiser and text encoder."""

    def __init__(self, unet: nn.Module, text_encoder: nn.Module) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder


@register("learner", "text-to-image")
class TextToImage(Learner):
    """Velocity-prediction diffusion on images, conditioned on a jointly trained CLIP-style text encoder.

    The layout is DeepFloyd IF's first stage: pixels in [-1, 1], six output channels of which the last three would be
    a learned variance. They are not trained here, and the scheduler says so (`variance_type: fixed_small`).

    Source: velocity target, Salimans & Ho 2022 (arXiv 2202.00512), app. D; loss weight min(SNR, gamma) / (SNR + 1),
    Hang et al. 2023 (arXiv 2303.09556), eq. 9.
    """

    @dataclass(frozen=True)
    class Config:
        size: int = 64  # image side in pixels
        widths: tuple[int, ...] = (32, 64, 96, 128)  # channels per resolution, full resolution first
        layers: int = 1  # residual blocks per resolution
        heads: int = 4  # attention heads
        attention_levels: int = 2  # how many of the coarsest resolutions attend to the text
        text_width: int = 128  # text embedding size
        text_layers: int = 2  # transformer layers of the text encoder
        tokens: int = 77  # tokens per caption; diffusers pads its texts to 77
        snr_gamma: float = 5.0  # gamma of the min-SNR weight; 0: all noise levels weigh the same in velocity
        drop_caption: float = 0.1  # probability of training on the empty caption
        average_decay: float = 0.9995  # of the weight average that is saved
        sample_steps: int = 30  # sampler steps of the sample sheet
        sample_scale: float = 3.0  # guidance scale of the sample sheet
        start: str = ""  # weights to go on from, of the same sizes: a folder, or weights that a plugin carries

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: CaptionedDataset) -> None:
        from diffusers import DDPMScheduler, UNet2DConditionModel
        from diffusers.models.attention_processor import AttnProcessor
        from transformers import CLIPTextConfig, CLIPTextModel

        c = self.config
        self.tokenizer = word_tokenizer(dataset.words(), c.tokens)
        plain = len(c.widths) - c.attention_levels
        unet: Any = UNet2DConditionModel(
            sample_size=c.size,
            in_channels=3,
            out_channels=6,
            block_out_channels=c.widths,
            layers_per_block=c.layers,
            cross_attention_dim=c.text_width,
            attention_head_dim=c.heads,
            norm_num_groups=16,
            down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",) * c.attention_levels,
            up_block_types=("CrossAttnUpBlock2D",) * c.attention_levels + ("UpBlock2D",) * plain,
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(self.tokenizer),
                hidden_size=c.text_width,
                intermediate_size=4 * c.text_width,
                num_hidden_layers=c.text_layers,
                num_attention_heads=c.heads,
                max_position_embeddings=c.tokens,
                projection_dim=c.text_width,
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        )
        unet.set_attn_processor(AttnProcessor())  # torch's fused attention is slow backwards on a CPU
        if c.start:
            self._take_over(unet, text_encoder, weights_source(c.start))
        self.networks = _Networks(unet.to(memory_format=torch.channels_last), text_encoder)
        self.average = Average(self.networks, c.average_decay)
        self.scheduler: Any = DDPMScheduler(
            beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", variance_type="fixed_small"
        )
        self._alphas_cumprod: Tensor | None = None
        self._ids: dict[str, Tensor] = {}

    def _take_over(self, unet: nn.Module, text_encoder: nn.Module, source: str) -> None:
        """Weights from elsewhere; tokens that are new there keep their random embedding."""
        from diffusers import UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer

        with quiet(source):
            options = {"torch_dtype": torch.float32, "low_cpu_mem_usage": False}
            old_unet: Any = UNet2DConditionModel.from_pretrained(source, subfolder="unet", **options)
            old_text: Any = CLIPTextModel.from_pretrained(source, subfolder="text_encoder")
            old_ids = CLIPTokenizer.from_pretrained(source, subfolder="tokenizer").get_vocab()
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
            rows = tokenize(self.tokenizer, missing, torch.device("cpu"))
            self._ids.update(zip(missing, rows, strict=True))
        return torch.stack([self._ids[caption] for caption in captions]).to(device, non_blocking=True)

    def loss(self, batch: CaptionedImages, draws: Draws) -> Terms:
        images = batch.images.permute(0, 3, 1, 2) * 2.0 - 1.0
        device, count = images.device, images.shape[0]
        if self._alphas_cumprod is None:
            self._alphas_cumprod = self.scheduler.alphas_cumprod.to(device)
        kept = draws.uniform("drop-caption", count).ge(self.config.drop_caption).tolist()
        ids = self._token_ids([text if keep else "" for text, keep in zip(batch.captions, kept, strict=True)], device)
        steps = draws.integers("timestep", 0, self.scheduler.config.num_train_timesteps - 1, count, device=device)
        noise = draws.normal("noise", *images.shape, device=device)
        alpha_bar = self._alphas_cumprod[steps][:, None, None, None]
        alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        noisy = (alpha * images + sigma * noise).contiguous(memory_format=torch.channels_last)
        target = alpha * noise - sigma * images
        text = self.networks.text_encoder(ids).last_hidden_state
        velocity = self.networks.unet(noisy, steps, text).sample[:, :3]
        snr = (alpha_bar / (1 - alpha_bar)).flatten()
        gamma = self.config.snr_gamma
        weight = snr.clamp(max=gamma) / (snr + 1) if gamma > 0 else torch.ones_like(snr)
        error = (velocity.float() - target).square().mean(dim=(1, 2, 3))
        return Terms({"velocity": (weight * error).mean()})

    def after_step(self, step: int) -> None:
        self.average.update(self.networks)

    @torch.no_grad()
    def sample(self, captions: Any, draws: Draws) -> Float[Tensor, "B H W 3"]:
        """Images for `captions` by DDIM from the averaged weights, with classifier-free guidance."""
        from diffusers import DDIMScheduler

        networks: Any = self.average.module
        device = next(networks.parameters()).device
        sampler: Any = DDIMScheduler.from_config(self.scheduler.config, timestep_spacing="trailing")
        sampler.set_timesteps(self.config.sample_steps)
        ids = tokenize(self.tokenizer, [*captions, *([""] * len(captions))], device)
        text = networks.text_encoder(ids).last_hidden_state
        image = draws.normal("sample", len(captions), 3, self.config.size, self.config.size).to(device)
        for step in sampler.timesteps:
            conditional, unconditional = networks.unet(torch.cat([image, image]), step, text).sample[:, :3].chunk(2)
            velocity = unconditional + self.config.sample_scale * (conditional - unconditional)
            image = sampler.step(velocity.float(), step, image).prev_sample
        return (image / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)

    def sample_sheet(self, dataset: CaptionedDataset, draws: Draws) -> np.ndarray:
        captions = list(dataset.sample_captions())
        images = self.sample(captions, draws).float().cpu()
        columns = 8
        images = functional.pad(images, (0, 0, 1, 1, 1, 1))
        rows = [torch.cat(list(images[i : i + columns]), dim=1) for i in range(0, len(images), columns)]
        width = max(row.shape[1] for row in rows)
        return torch.cat([functional.pad(row, (0, 0, 0, width - row.shape[1])) for row in rows]).numpy()

    @torch.no_grad()
    def evaluate(self, dataset: CaptionedDataset, draws: Draws) -> dict[str, float]:
        """Mean weighted loss of the averaged weights on held-out objects."""
        trained, self.networks = self.networks, self.average.module  # type: ignore[assignment]
        try:
            losses = [
                float(self.loss(dataset.held_out(draws.sub(str(i)), 256), draws.sub(str(i))).total()) for i in range(4)
            ]
        finally:
            self.networks = trained
        return {"held-out velocity": sum(losses) / len(losses)}

    def save(self, folder: Path) -> None:
        with quiet():
            from diffusers import IFPipeline

        networks: Any = self.average.module
        pipeline: Any = IFPipeline(
            tokenizer=self.tokenizer,
            text_encoder=networks.text_encoder.half(),
            unet=networks.unet.half(),
            scheduler=self.scheduler,
            safety_checker=None,
            feature_extractor=None,
            watermarker=None,
            requires_safety_checker=False,
        )
        with quiet():
            pipeline.save_pretrained(folder, safe_serialization=True)

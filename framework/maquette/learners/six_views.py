"""A small Zero123++ in pixel space: six views of an object from one reference image, denoised as one canvas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL.Image import Resampling
from torch import Tensor
from torch.nn.functional import interpolate

from maquette.annotations import Channels, Count, CountOrNone, Fraction, Pixels, Positive, WeightsPath
from maquette.datasets.base import PicturesWithSixViews, SixViewDataset
from maquette.images.pixels import to_pixels
from maquette.images.resampling import downsample
from maquette.images.sheets import picture_grid
from maquette.learners._diffusion import (
    Attention,
    DiffusionLearner,
    UNetSizes,
    Velocity,
    VelocityDiffusion,
    held_out_batches,
    mean_of_chunks,
    save_layout,
    small_text_encoder,
    small_unet,
)
from maquette.learners.base import word_tokenizer
from maquette.learners.novel_view import psnr
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.text.clip_texts import clip_embeddings
from maquette.priors.zero123plus.canvas import COLUMNS, ROWS, VIEWS, tile, untile
from maquette.priors.zero123plus.parts import RAMP
from maquette.priors.zero123plus.reference_attention import enable_reference_attention, run_with_reference
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import halved, quiet

SHEET_OBJECTS = 6  # held-out objects on the sample sheet
CHUNK = 16  # objects per batch of the evaluation


@register("learner", "six-views")
class SixViewsLearner(DiffusionLearner[SixViewDataset, PicturesWithSixViews]):
    """Velocity-prediction diffusion of a canvas of six views (three rows of two), with reference attention.

    The U-Net's self-attention also attends to the reference image, noised to the same timestep. The cross-attention
    context is the embedding of the empty text plus the image embedding, scaled by a ramp from 0 at the first token to 1
    at the last. For the unconditional prediction the reference is grey and the image embedding zero.

    Source: Shi et al. 2023 (Zero123++, arXiv 2310.15110), sec. 2.
    """

    @dataclass(frozen=True)
    class Config:
        image_encoder: WeightsPath  # CLIP weights of the frozen image encoder that embeds the reference
        size: Pixels = 32  # side of a view in pixels
        reference_size: Pixels = 64  # side of the reference image in pixels
        widths: tuple[Channels, ...] = (32, 64, 128, 192)  # channels per resolution, full resolution first
        layers: Count = 1  # residual blocks per resolution
        heads: Count = 4  # attention heads
        attention_levels: CountOrNone = (
            2  # number of the coarsest resolutions with self-, reference and cross-attention
        )
        tokens: Count = 8  # tokens of the empty text
        shift: Positive = (
            1.0  # timestep shift; above 1, noisy timesteps, which decide the poses, are sampled more often
        )
        drop_condition: Fraction = 0.1  # probability of training without the reference
        average_decay: Fraction = 0.998  # of the weight average that is saved
        sample_steps: Count = 16  # sampler steps of sample sheet and evaluation
        sample_scale: float = 1.0  # guidance scale of sample sheet and evaluation
        evaluated: Count = 64  # held-out objects of the evaluation

        def __post_init__(self) -> None:
            coarsest = 2 ** (len(self.widths) - 1)
            if self.size % coarsest or self.reference_size % coarsest:
                raise ValueError(f"{len(self.widths)} resolutions need sizes that {coarsest} divides")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: SixViewDataset) -> None:
        c = self.config
        self.encoder = ImageEncoder.load(c.image_encoder, smooth=True)
        self.tokenizer = word_tokenizer([], c.tokens)
        self.text_encoder = small_text_encoder(self.tokenizer, self.encoder.width, layers=1, heads=1)
        self.text_encoder.eval().requires_grad_(False)  # it only encodes the empty text
        sizes = UNetSizes((ROWS * c.size, COLUMNS * c.size), c.widths, c.layers, c.heads, c.attention_levels)
        unet = small_unet(sizes, in_channels=3, out_channels=3, context_width=self.encoder.width)
        enable_reference_attention(unet, Attention())
        self.set_networks(unet, c.average_decay)
        self.diffusion = VelocityDiffusion(snr_gamma=0.0, shift=c.shift)
        with torch.no_grad():
            self.register_buffer("text", clip_embeddings(self.tokenizer, self.text_encoder, [""])[0])
        self.ramp = torch.linspace(0, 1, c.tokens)

    def velocity_loss(self, networks: Any, batch: PicturesWithSixViews, draws: Draws) -> Tensor:
        count, device = len(batch.reference), batch.reference.device
        keep_condition = draws.uniform("drop-condition", count).ge(self.config.drop_condition).to(batch.reference)
        context, reference_pixels = self._conditioning(batch.reference, keep_condition)
        noise = draws.normal("reference-noise", *reference_pixels.shape, device=device)
        target_canvases = tile(batch.views.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        velocity = self._velocity(networks, context, reference_pixels, lambda t: noise)
        return self.diffusion.loss(velocity, target_canvases, draws)

    def _conditioning(
        self, reference: Float[Tensor, "B H W 3"], keep_condition: Float[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B 3 S S"]]:
        """Cross-attention context and reference pixels; unconditional ones where `keep_condition` is 0."""
        embedding = self.encoder(reference)[:, None] * keep_condition[:, None, None]
        size = (self.config.reference_size,) * 2
        reference_pixels = to_pixels(reference)
        if reference_pixels.shape[-2:] != size:
            reference_pixels = interpolate(reference_pixels, size, mode="bilinear", antialias=True)
        context = self.text + self.ramp.to(embedding)[:, None] * embedding
        return context, reference_pixels * keep_condition[:, None, None, None]

    def _velocity(
        self,
        unet: Any,
        context: Float[Tensor, "B L D"],
        reference_pixels: Float[Tensor, "B 3 S S"],
        noise: Callable[[Tensor], Float[Tensor, "B 3 S S"]],
    ) -> Velocity:
        """The velocity prediction of canvases, conditioned on contexts and references; `noise(t)` noises references."""

        def velocity(noisy: Tensor, t: Tensor) -> Tensor:
            t = t.to(noisy.device).expand(len(noisy))
            alpha, sigma = self.diffusion.schedule_on(noisy.device).alpha_sigma(t)

            def run_unet(images: Tensor, conditioning: Any) -> Tensor:
                return unet(images.contiguous(), t, context, cross_attention_kwargs=conditioning).sample

            return run_with_reference(run_unet, noisy, alpha * reference_pixels + sigma * noise(t))

        return velocity

    @torch.no_grad()
    def sample(self, reference: Float[Tensor, "B H W 3"], draws: Draws) -> Float[Tensor, "6*B h w 3"]:
        """Six views of each reference's object, by DDIM from the averaged weights with classifier-free guidance."""
        count, device, c = len(reference), reference.device, self.config
        context, reference_pixels = self._conditioning(
            torch.cat([reference] * 2), torch.tensor([1.0, 0.0]).repeat_interleave(count).to(device)
        )
        reference_noise = draws.normal("reference-noise", *reference_pixels.shape, device=device)
        noise = draws.normal("sample", count, 3, ROWS * c.size, COLUMNS * c.size).to(device)
        velocity = self._velocity(self.averaged, context, reference_pixels, lambda t: reference_noise)
        canvases = self.denoise(velocity, noise)
        return untile(canvases.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def sample_sheet(self, dataset: SixViewDataset, draws: Draws) -> np.ndarray:
        """A row per object: the reference, six sampled views, and the six true views."""
        objects = dataset.sample(SHEET_OBJECTS)
        sampled = self.sample(objects.reference, draws).unflatten(0, (-1, VIEWS))
        truth = objects.views.unflatten(0, (-1, VIEWS))
        rows = torch.cat([downsample(objects.reference, self.config.size)[:, None], sampled, truth], dim=1)
        return picture_grid(rows.flatten(0, 1), columns=rows.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: SixViewDataset, draws: Draws) -> dict[str, float]:
        """Held-out velocity loss, PSNR of sampled views, and PSNR of the repeated reference as the baseline."""
        losses: list[float] = []
        scores: list[tuple[float, float]] = []
        for objects, batch_draws in held_out_batches(dataset, draws, self.config.evaluated, CHUNK):
            losses.append(float(self.velocity_loss(self.averaged, objects, batch_draws)))
            sampled = self.sample(objects.reference, batch_draws)
            repeated_reference = downsample(objects.reference, self.config.size).repeat_interleave(VIEWS, dim=0)
            images = (sampled, repeated_reference)
            scores += zip(*(psnr(image, objects.views).tolist() for image in images), strict=True)
        sampled_psnr, reference_psnr = np.mean(scores, axis=0)
        velocity = mean_of_chunks(losses, self.config.evaluated, CHUNK)
        return {"held-out velocity": velocity, "psnr": float(sampled_psnr), "psnr of the input": float(reference_psnr)}

    def save(self, folder: Path) -> None:
        """Write the layout of Zero123++, without a VAE."""
        from transformers import CLIPImageProcessorPil

        side = {"height": self.config.reference_size, "width": self.config.reference_size}
        parts = {
            "unet": halved(self.averaged),
            "scheduler": self.diffusion.scheduler,
            "text_encoder": halved(self.text_encoder),
            "tokenizer": self.tokenizer,
            "vision_encoder": halved(self.encoder.model),
            "feature_extractor_vae": CLIPImageProcessorPil(
                size=side, crop_size=side, resample=int(Resampling.BILINEAR), image_mean=[0.5] * 3, image_std=[0.5] * 3
            ),
        }
        facts = {
            "feature_extractor_clip": ["transformers", "CLIPImageProcessor"],
            "vae": [None, None],
            RAMP: self.ramp.tolist(),
        }
        save_layout(folder, "Zero123PlusPipeline", parts, **facts)
        with quiet():
            self.encoder.preprocess.save(folder / "feature_extractor_clip")

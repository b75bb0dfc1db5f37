"""A small Zero123++ in pixel space: a picture of an object in, six views of it out, denoised as one picture."""

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

from maquette.datasets.base import PicturesWithSixViews, SixViewDataset
from maquette.images.pixels import to_pixels
from maquette.images.resampling import downsample
from maquette.images.sheets import picture_grid
from maquette.learners._diffusion import (
    Attention,
    DiffusionLearner,
    UNetShape,
    Velocity,
    VelocityDiffusion,
    held_out_parts,
    save_layout,
    small_text_encoder,
    small_unet,
)
from maquette.learners.base import memory_order, word_tokenizer
from maquette.learners.novel_view import psnr
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.text.clip_texts import clip_embeddings
from maquette.priors.zero123plus.canvas import COLUMNS, ROWS, VIEWS, tile, untile
from maquette.priors.zero123plus.parts import RAMP
from maquette.priors.zero123plus.reference_attention import enable_reference_attention, run_with_reference
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import halved, quiet

SHEET = 6  # held-out objects on the sample sheet
CHUNK = 16  # objects that are evaluated at once


@register("learner", "six-views")
class SixViewsLearner(DiffusionLearner[SixViewDataset, PicturesWithSixViews]):
    """Velocity-prediction diffusion of three rows of two views, beside the picture under noise of the same level.

    The U-Net's self-attention sees both, and its context is the embedding of the empty text, to whose tokens that of
    the picture is added, to the last the most. Without condition the picture is grey and the context that of the text.

    Source: Shi et al. 2023 (Zero123++, arXiv 2310.15110), sec. 2.
    """

    @dataclass(frozen=True)
    class Config:
        image_encoder: str  # CLIP weights whose image tower embeds the picture; it stays as it is
        size: int = 32  # side of a view in pixels
        reference_size: int = 64  # side of the picture in pixels
        widths: tuple[int, ...] = (32, 64, 128, 192)  # channels per resolution, full resolution first
        layers: int = 1  # residual blocks per resolution
        heads: int = 4  # attention heads
        attention_levels: int = 2  # how many of the coarsest resolutions attend: to themselves, picture and context
        tokens: int = 8  # of the empty text
        shift: float = 1.0  # how much more often noisy levels, which decide the poses, are trained on
        drop_condition: float = 0.1  # probability of training without the picture
        average_decay: float = 0.998  # of the weight average that is saved
        sample_steps: int = 16  # sampler steps of sample sheet and evaluation
        sample_scale: float = 1.0  # guidance scale of sample sheet and evaluation
        evaluated: int = 64  # held-out objects of the evaluation

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
        self.text_encoder.eval().requires_grad_(False)  # it is only asked for the empty text
        shape = UNetShape((ROWS * c.size, COLUMNS * c.size), c.widths, c.layers, c.heads, c.attention_levels)
        unet = small_unet(shape, in_channels=3, out_channels=3, context_width=self.encoder.width)
        enable_reference_attention(unet, Attention())
        self.follow(unet, c.average_decay)
        self.diffusion = VelocityDiffusion(snr_gamma=0.0, shift=c.shift)
        with torch.no_grad():
            self.register_buffer("text", clip_embeddings(self.tokenizer, self.text_encoder, [""])[0])
        self.ramp = torch.linspace(0, 1, c.tokens)

    def velocity_loss(self, networks: Any, batch: PicturesWithSixViews, draws: Draws) -> Tensor:
        count, device = len(batch.reference), batch.reference.device
        kept = draws.uniform("drop-condition", count).ge(self.config.drop_condition).to(batch.reference)
        context, pixels = self._conditioning(batch.reference, kept)
        noise = draws.normal("reference-noise", *pixels.shape, device=device)
        canvases = tile(batch.views.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.diffusion.loss(self._velocity(networks, context, pixels, lambda t: noise), canvases, draws)

    def _conditioning(
        self, reference: Float[Tensor, "B H W 3"], kept: Float[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B 3 S S"]]:
        """The context, and the picture's pixels; where `kept` is 0, those of no picture."""
        embedding = self.encoder(reference)[:, None] * kept[:, None, None]
        side = (self.config.reference_size,) * 2
        pixels = to_pixels(reference)
        if pixels.shape[-2:] != side:
            pixels = interpolate(pixels, side, mode="bilinear", antialias=True)
        return self.text + self.ramp.to(embedding)[:, None] * embedding, pixels * kept[:, None, None, None]

    def _velocity(
        self,
        unet: Any,
        context: Float[Tensor, "B L D"],
        pixels: Float[Tensor, "B 3 S S"],
        noise: Callable[[Tensor], Float[Tensor, "B 3 S S"]],
    ) -> Velocity:
        """The denoiser of canvases, given contexts and pictures, and the noise that pictures are under at timesteps."""

        def velocity(noisy: Tensor, t: Tensor) -> Tensor:
            t = t.to(noisy.device).expand(len(noisy))
            alpha, sigma = self.diffusion.schedule_on(noisy.device).alpha_sigma(t)

            def run(pictures: Tensor, conditioning: Any) -> Tensor:
                pictures = pictures.contiguous(memory_format=memory_order(pictures.device))
                return unet(pictures, t, context, cross_attention_kwargs=conditioning).sample

            return run_with_reference(run, noisy, alpha * pixels + sigma * noise(t))

        return velocity

    @torch.no_grad()
    def sample(self, reference: Float[Tensor, "B H W 3"], draws: Draws) -> Float[Tensor, "6*B h w 3"]:
        """The six views of the things in pictures, by DDIM from the averaged weights with classifier-free guidance."""
        count, device, c = len(reference), reference.device, self.config
        context, pixels = self._conditioning(
            torch.cat([reference] * 2), torch.tensor([1.0, 0.0]).repeat_interleave(count).to(device)
        )
        shown = draws.normal("reference-noise", *pixels.shape, device=device)
        noise = draws.normal("sample", count, 3, ROWS * c.size, COLUMNS * c.size).to(device)
        velocity = self._velocity(self.averaged, context, pixels, lambda t: shown)
        canvases = self.denoise(velocity, noise)
        return untile(canvases.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def sample_sheet(self, dataset: SixViewDataset, draws: Draws) -> np.ndarray:
        """A row per object: the picture, its six views as sampled, and as they truly are."""
        objects = dataset.sample(SHEET)
        made = self.sample(objects.reference, draws).unflatten(0, (-1, VIEWS))
        true = objects.views.unflatten(0, (-1, VIEWS))
        rows = torch.cat([downsample(objects.reference, self.config.size)[:, None], made, true], dim=1)
        return picture_grid(rows.flatten(0, 1), columns=rows.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: SixViewDataset, draws: Draws) -> dict[str, float]:
        """Held-out velocity loss, and PSNR of sampled views beside that of handing back the picture six times."""
        losses: list[float] = []
        scores: list[tuple[float, float]] = []
        for objects, part in held_out_parts(dataset, draws, self.config.evaluated, CHUNK):
            losses.append(float(self.velocity_loss(self.averaged, objects, part)))
            made = self.sample(objects.reference, part)
            returned = downsample(objects.reference, self.config.size).repeat_interleave(VIEWS, dim=0)
            scores += zip(psnr(made, objects.views).tolist(), psnr(returned, objects.views).tolist(), strict=True)
        sampled, handed = np.mean(scores, axis=0)
        velocity = sum(losses) / len(losses)
        return {"held-out velocity": velocity, "psnr": float(sampled), "psnr of the input": float(handed)}

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

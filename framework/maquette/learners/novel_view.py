"""A small Zero-1-to-3 in pixel space: novel views of an object from a reference image and a relative camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Channels, Count, CountOrNone, Fraction, NonNegative, Pixels, Positive, WeightsPath
from maquette.datasets.base import PairDataset, PosedPairs
from maquette.images.pixels import to_pixels
from maquette.learners._diffusion import DiffusionLearner, UNetSizes, VelocityDiffusion, small_unet
from maquette.learners._novel_views import (
    SHEET_VIEWS,
    conditioned,
    copy_weights,
    held_out_figures,
    mean_by_azimuth_change,
    psnr,
    save_zero123,
    view_sheet,
)
from maquette.learners.base import Networks
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.zero123.projection import CameraProjection
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.diffusers_folder import Weights
from maquette.weights.loading import weights_source

__all__ = ["NovelViewLearner", "mean_by_azimuth_change", "psnr"]


@register("learner", "novel-view")
class NovelViewLearner(DiffusionLearner[PairDataset, PosedPairs]):
    """Velocity-prediction diffusion of the target view, with the reference concatenated in the input channels.

    The cross-attention context is one token, a projection of the reference's CLIP embedding and the relative pose. For
    the unconditional prediction token and reference channels are zeros, as in the samplers of the published models.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2.
    """

    views = 1
    """Consecutive pairs of a batch that share their reference and one timestep."""

    @dataclass(frozen=True)
    class Config:
        image_encoder: WeightsPath  # CLIP weights of the frozen image encoder that embeds the reference
        size: Pixels = 64  # image side in pixels
        widths: tuple[Channels, ...] = (32, 64, 96, 128)  # channels per resolution, full resolution first
        layers: Count = 1  # residual blocks per resolution
        heads: Count = 4  # attention heads
        attention_levels: CountOrNone = 2  # number of the coarsest resolutions with self- and cross-attention
        modulated: bool = False  # whether the token also scales and shifts the activations of every block
        snr_gamma: NonNegative = 0.0  # gamma of the min-SNR weight; 0: all timesteps have weight 1
        shift: Positive = 1.0  # timestep shift; above 1, noisy timesteps, which decide the pose, are sampled more often
        drop_condition: Fraction = 0.1  # probability of training without token and reference
        average_decay: Fraction = 0.998  # of the weight average that is saved
        sample_steps: Count = 16  # sampler steps of sample sheet and evaluation
        sample_scale: float = 2.0  # guidance scale of sample sheet and evaluation
        evaluated: Count = 256  # held-out pairs of the evaluation
        start: WeightsPath = ""  # initial weights: a text-to-image or novel-view U-Net of the same widths

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: PairDataset) -> None:
        c = self.config
        self.encoder = ImageEncoder.load(c.image_encoder, smooth=False)
        sizes = UNetSizes(c.size, c.widths, c.layers, c.heads, c.attention_levels, c.modulated)
        unet = small_unet(sizes, in_channels=6, out_channels=3, context_width=self.encoder.width)
        projection = CameraProjection(self.encoder.width)
        if c.start:
            source = weights_source(c.start)
            copy_weights(Weights(source, pickles=True, key="learner.start").unet(), unet, source)
            if (Path(source) / CameraProjection.FOLDER).is_dir():
                projection = CameraProjection.load(Path(source))
        self.set_networks(Networks(unet=unet, projection=projection), c.average_decay)
        self.diffusion = VelocityDiffusion(c.snr_gamma, c.shift)

    def velocity_loss(self, networks: Any, batch: PosedPairs, draws: Draws) -> Tensor:
        keep = draws.uniform("drop-condition", len(batch.pose) // self.views).ge(self.config.drop_condition)
        keep_condition = keep.repeat_interleave(self.views).to(batch.pose)
        token = networks.projection(self.encoder(batch.reference), batch.pose) * keep_condition[:, None, None]
        reference_pixels = to_pixels(batch.reference) * keep_condition[:, None, None, None]
        velocity = conditioned(networks.unet, reference_pixels, token)
        return self.diffusion.loss(velocity, batch.target, draws, group_size=self.views)

    @torch.no_grad()
    def sample(
        self, reference: Float[Tensor, "B H W 3"], pose: Float[Tensor, "B 4"], draws: Draws
    ) -> Float[Tensor, "B H W 3"]:
        """Views of the reference's object from relative poses, by DDIM from the averaged weights with guidance."""
        networks = self.averaged
        token, reference_pixels = networks.projection(self.encoder(reference), pose), to_pixels(reference)
        noise = draws.normal("sample", *reference_pixels.shape).to(reference_pixels)
        pixels_and_zeros = torch.cat([reference_pixels, 0 * reference_pixels])
        return self.denoise(conditioned(networks.unet, pixels_and_zeros, torch.cat([token, 0 * token])), noise)

    def sample_sheet(self, dataset: PairDataset, draws: Draws) -> np.ndarray:
        """A row per object: the reference, then for each view the sample and the ground truth."""
        return view_sheet(self.sample, dataset, draws, self.views if self.views > 1 else SHEET_VIEWS)

    def evaluate(self, dataset: PairDataset, draws: Draws, chunk: int = 64) -> dict[str, float]:
        """Figures of the averaged weights; see `maquette.learners._novel_views.held_out_figures`."""

        def loss(pairs: PosedPairs, batch_draws: Draws) -> Tensor:
            return self.velocity_loss(self.averaged, pairs, batch_draws)

        return held_out_figures(loss, self.sample, dataset, draws, self.config.evaluated, chunk)

    def save(self, folder: Path) -> None:
        """Write the layout of Zero-1-to-3's diffusers port, without a VAE."""
        networks = self.averaged
        save_zero123(
            folder, networks.unet, networks.projection, self.encoder, self.diffusion.scheduler, views=self.views
        )

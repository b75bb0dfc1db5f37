"""A small Zero-1-to-3 in pixel space: novel views of an object from a reference image and a relative camera."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Channels, Count, CountOrNone, Fraction, NonNegative, Pixels, Positive, WeightsPath
from maquette.datasets.base import PairDataset, PosedPairs
from maquette.errors import ConfigError
from maquette.images.pixels import to_pixels
from maquette.images.sheets import picture_grid
from maquette.learners._diffusion import (
    DiffusionLearner,
    UNetSizes,
    Velocity,
    VelocityDiffusion,
    held_out_batches,
    small_unet,
)
from maquette.learners.base import Networks, memory_format_for
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.zero123.projection import CameraProjection
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import halved, quiet, weights_source

AZIMUTH_CHANGES_DEG = ((0, 60), (60, 120), (120, 180))
"""Ranges of the azimuth change between two views, which `evaluate` reports separately."""
SHEET_OBJECTS_VIEWS = (8, 4)  # held-out objects on the sample sheet, and views of each


@register("learner", "novel-view")
class NovelViewLearner(DiffusionLearner[PairDataset, PosedPairs]):
    """Velocity-prediction diffusion of the target view, with the reference concatenated in the input channels.

    The cross-attention context is one token, a projection of the reference's CLIP embedding and the relative pose. For
    the unconditional prediction token and reference channels are zeros, as in the samplers of the published models.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2.
    """

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
            _load_initial_weights(unet, source)
            if (Path(source) / CameraProjection.FOLDER).is_dir():
                projection = CameraProjection.load(Path(source))
        self.set_networks(Networks(unet=unet, projection=projection), c.average_decay)
        self.diffusion = VelocityDiffusion(c.snr_gamma, c.shift)

    def velocity_loss(self, networks: Any, batch: PosedPairs, draws: Draws) -> Tensor:
        keep_condition = draws.uniform("drop-condition", len(batch.pose)).ge(self.config.drop_condition).to(batch.pose)
        token = networks.projection(self.encoder(batch.reference), batch.pose) * keep_condition[:, None, None]
        reference_pixels = to_pixels(batch.reference) * keep_condition[:, None, None, None]
        return self.diffusion.loss(_velocity_of(networks.unet, reference_pixels, token), batch.target, draws)

    @torch.no_grad()
    def sample(
        self, reference: Float[Tensor, "B H W 3"], pose: Float[Tensor, "B 4"], draws: Draws
    ) -> Float[Tensor, "B H W 3"]:
        """Views of the reference's object from relative poses, by DDIM from the averaged weights with guidance."""
        networks = self.averaged
        token, reference_pixels = networks.projection(self.encoder(reference), pose), to_pixels(reference)
        noise = draws.normal("sample", *reference_pixels.shape).to(reference_pixels)
        pixels_and_zeros = torch.cat([reference_pixels, 0 * reference_pixels])
        return self.denoise(_velocity_of(networks.unet, pixels_and_zeros, torch.cat([token, 0 * token])), noise)

    def sample_sheet(self, dataset: PairDataset, draws: Draws) -> np.ndarray:
        """A row per object: the reference, then for each view the sample and the ground truth."""
        pairs = dataset.sample_pairs(*SHEET_OBJECTS_VIEWS)
        sampled = self.sample(pairs.reference, pairs.pose, draws)
        references = pairs.reference.unflatten(0, SHEET_OBJECTS_VIEWS)[:, :1]
        views = torch.stack([sampled, pairs.target], dim=1).unflatten(0, SHEET_OBJECTS_VIEWS).flatten(1, 2)
        rows = torch.cat([references, views], dim=1)
        return picture_grid(rows.flatten(0, 1), columns=rows.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: PairDataset, draws: Draws, chunk: int = 64) -> dict[str, float]:
        """Held-out velocity loss, PSNR of sampled views, and PSNR of the reference itself as the baseline.

        Pairs with the same view twice are excluded; "psnr at the input view" measures them on one batch.
        """
        losses: list[float] = []
        results: list[tuple[Tensor, Tensor, Tensor]] = []
        for pairs, batch_draws in held_out_batches(dataset, draws, self.config.evaluated, chunk):
            losses.append(float(self.velocity_loss(self.averaged, pairs, batch_draws)))
            sampled = self.sample(pairs.reference, pairs.pose, batch_draws)
            azimuth_change_deg = torch.rad2deg(torch.atan2(pairs.pose[:, 1], pairs.pose[:, 2])).abs()
            is_new_view = pairs.pose[:, 0].abs() + azimuth_change_deg > 1e-3
            scores = psnr(sampled, pairs.target), psnr(pairs.reference, pairs.target), azimuth_change_deg
            results.append((scores[0][is_new_view], scores[1][is_new_view], scores[2][is_new_view]))
        sampled_psnr, reference_psnr, azimuth_change_deg = (torch.cat(column) for column in zip(*results, strict=True))
        identity_pose = torch.tensor([0.0, 0.0, 1.0, 0.0]).expand(len(pairs.pose), -1).to(pairs.pose)
        same_view_psnr = psnr(self.sample(pairs.reference, identity_pose, batch_draws), pairs.reference)
        return {
            "held-out velocity": sum(losses) / len(losses),
            "psnr at the input view": float(same_view_psnr.mean()),
            **mean_by_azimuth_change(sampled_psnr, azimuth_change_deg, "psnr"),
            **mean_by_azimuth_change(reference_psnr, azimuth_change_deg, "psnr of the input"),
        }

    def save(self, folder: Path) -> None:
        """Write the layout of Zero-1-to-3's diffusers port, without a VAE."""
        networks = self.averaged
        halved(networks.projection).save(folder)
        with quiet():
            self.encoder.save(folder)
            halved(networks.unet).save_pretrained(folder / "unet", safe_serialization=True)
            self.diffusion.scheduler.save_pretrained(folder / "scheduler")
        parts = {
            "_class_name": "Zero123Pipeline",
            "clip_camera_projection": ["zero123", "CLIPCameraProjection"],
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
            "requires_safety_checker": False,
            "safety_checker": [None, None],
            "scheduler": ["diffusers", type(self.diffusion.scheduler).__name__],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": [None, None],
        }
        (folder / "model_index.json").write_text(json.dumps(parts, indent=2) + "\n")


def _velocity_of(unet: Any, reference_pixels: Float[Tensor, "B 3 H W"], token: Float[Tensor, "B 1 D"]) -> Velocity:
    """The velocity prediction of a U-Net conditioned on reference pixels and the context token."""

    def velocity(noisy: Tensor, t: Tensor) -> Tensor:
        unet_input = torch.cat([noisy, reference_pixels], dim=1).contiguous(
            memory_format=memory_format_for(noisy.device)
        )
        return unet(unet_input, t, token, class_labels=token[:, 0] if unet.config.class_embed_type else None).sample

    return velocity


def _load_initial_weights(unet: Any, source: str) -> None:
    """Load the U-Net at `source`: tensors of equal shape, and the shared channels of the input and output convolutions.

    New input channels are initialised to zero. Cross-attention weights of another context width stay random.

    Raises:
        ConfigError: its blocks or widths differ.
    """
    from diffusers import UNet2DConditionModel

    with quiet(source):
        old: Any = UNet2DConditionModel.from_pretrained(
            source, subfolder="unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
        )
    loaded, state = old.state_dict(), unet.state_dict()
    for name, fresh in state.items():
        value = loaded.get(name)
        if value is not None and value.shape == fresh.shape:
            state[name] = value
        elif value is not None and value.shape[0] == fresh.shape[0] and ".attn2.to_" in name:
            continue
        elif value is not None and name.startswith(("conv_in.", "conv_out.")):
            shared = tuple(slice(min(sizes)) for sizes in zip(value.shape, fresh.shape, strict=True))
            state[name] = torch.zeros_like(fresh)
            state[name][shared] = value[shared]
        else:
            problem = "missing" if value is None else "of another size"
            raise ConfigError(
                f"cannot start with the U-Net of {source!r}: {name} is {problem}",
                hint="give the learner that model's widths, layers and attention_levels",
            )
    unet.load_state_dict(state)


def psnr(images: Float[Tensor, "B H W 3"], truth: Float[Tensor, "B H W 3"]) -> Float[Tensor, " B"]:
    """Peak signal-to-noise ratio in decibels of each of B pictures in [0, 1].

    Example:
        >>> black = torch.zeros(2, 4, 4, 3)
        >>> psnr(black + 0.1, black)
        tensor([20., 20.])
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return peak_signal_noise_ratio(images, truth, data_range=1.0, dim=(1, 2, 3), reduction="none")


def mean_by_azimuth_change(
    scores: Float[Tensor, " B"], azimuth_change_deg: Float[Tensor, " B"], name: str
) -> dict[str, float]:
    """The mean of `scores` as `name`, and the mean within each range of azimuth change; nan where a range has no pair.

    Args:
        azimuth_change_deg: absolute azimuth difference between the two views, in [0, 180].

    Example:
        >>> scores, change = torch.tensor([30.0, 20.0, 10.0, 12.0]), torch.tensor([0.0, 60.0, 120.0, 180.0])
        >>> mean_by_azimuth_change(scores, change, "psnr")
        {'psnr': 18.0, 'psnr 0-60': 30.0, 'psnr 60-120': 20.0, 'psnr 120-180': 11.0}
    """
    figures = {name: float(scores.mean())}
    for low, high in AZIMUTH_CHANGES_DEG:
        inside = (azimuth_change_deg >= low) & ((azimuth_change_deg < high) | (high == AZIMUTH_CHANGES_DEG[-1][1]))
        figures[f"{name} {low}-{high}"] = float(scores[inside].mean()) if inside.any() else math.nan
    return figures

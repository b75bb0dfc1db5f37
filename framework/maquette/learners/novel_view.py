"""A small Zero-1-to-3 in pixel space: a picture of an object and a relative camera in, the object from there out."""

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

from maquette.datasets.base import PairDataset, PosedPairs
from maquette.errors import ConfigError
from maquette.images.pixels import to_pixels
from maquette.images.sheets import picture_grid
from maquette.learners._diffusion import (
    DiffusionLearner,
    UNetShape,
    Velocity,
    VelocityDiffusion,
    held_out_parts,
    small_unet,
)
from maquette.learners.base import Networks, memory_order
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.zero123.projection import CameraProjection
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.loading import halved, quiet, weights_source

TURNS_DEG = ((0, 60), (60, 120), (120, 180))
"""Ranges of azimuth between two views that `evaluate` tells apart."""
SHEET = (8, 4)  # held-out objects on the sample sheet, and views of each


@register("learner", "novel-view")
class NovelViewLearner(DiffusionLearner[PairDataset, PosedPairs]):
    """Velocity-prediction diffusion of the target view, with the reference beside the noise in its input channels.

    The context is one token made of the reference's CLIP embedding and the relative pose. Without condition, token and
    reference channels are zeros, as the published models' samplers have it.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2.
    """

    @dataclass(frozen=True)
    class Config:
        image_encoder: str  # CLIP weights whose image tower embeds the reference; it stays as it is
        size: int = 64  # image side in pixels
        widths: tuple[int, ...] = (32, 64, 96, 128)  # channels per resolution, full resolution first
        layers: int = 1  # residual blocks per resolution
        heads: int = 4  # attention heads
        attention_levels: int = 2  # how many of the coarsest resolutions attend to themselves and to the token
        modulated: bool = False  # the token also scales and shifts what every block computes
        snr_gamma: float = 0.0  # gamma of the min-SNR weight; 0: all noise levels weigh the same in velocity
        shift: float = 1.0  # how much more often noisy levels, which decide the pose, are trained on
        drop_condition: float = 0.1  # probability of training without token and reference
        average_decay: float = 0.998  # of the weight average that is saved
        sample_steps: int = 16  # sampler steps of sample sheet and evaluation
        sample_scale: float = 2.0  # guidance scale of sample sheet and evaluation
        evaluated: int = 256  # held-out pairs of the evaluation
        start: str = ""  # weights to begin with: a U-Net of the same widths, of images or of novel views

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: PairDataset) -> None:
        c = self.config
        self.encoder = ImageEncoder.load(c.image_encoder, smooth=False)
        shape = UNetShape(c.size, c.widths, c.layers, c.heads, c.attention_levels, c.modulated)
        unet = small_unet(shape, in_channels=6, out_channels=3, context_width=self.encoder.width)
        projection = CameraProjection(self.encoder.width)
        if c.start:
            source = weights_source(c.start)
            _take_over(unet, source)
            if (Path(source) / CameraProjection.FOLDER).is_dir():
                projection = CameraProjection.load(Path(source))
        self.follow(Networks(unet=unet, projection=projection), c.average_decay)
        self.diffusion = VelocityDiffusion(c.snr_gamma, c.shift)

    def velocity_loss(self, networks: Any, batch: PosedPairs, draws: Draws) -> Tensor:
        kept = draws.uniform("drop-condition", len(batch.pose)).ge(self.config.drop_condition).to(batch.pose)
        token = networks.projection(self.encoder(batch.reference), batch.pose) * kept[:, None, None]
        beside = to_pixels(batch.reference) * kept[:, None, None, None]
        return self.diffusion.loss(_conditioned(networks.unet, beside, token), batch.target, draws)

    @torch.no_grad()
    def sample(
        self, reference: Float[Tensor, "B H W 3"], pose: Float[Tensor, "B 4"], draws: Draws
    ) -> Float[Tensor, "B H W 3"]:
        """The referenced objects from elsewhere, by DDIM from the averaged weights with classifier-free guidance."""
        networks = self.averaged
        token, beside = networks.projection(self.encoder(reference), pose), to_pixels(reference)
        both = _conditioned(networks.unet, torch.cat([beside, 0 * beside]), torch.cat([token, 0 * token]))
        noise = draws.normal("sample", *beside.shape).to(beside)
        return self.denoise(both, noise)

    def sample_sheet(self, dataset: PairDataset, draws: Draws) -> np.ndarray:
        """A row per object: the reference, then view after view as sampled and as it truly is."""
        pairs = dataset.sample_pairs(*SHEET)
        made = self.sample(pairs.reference, pairs.pose, draws)
        references = pairs.reference.unflatten(0, SHEET)[:, :1]
        views = torch.stack([made, pairs.target], dim=1).unflatten(0, SHEET).flatten(1, 2)
        rows = torch.cat([references, views], dim=1)
        return picture_grid(rows.flatten(0, 1), columns=rows.shape[1])

    @torch.no_grad()
    def evaluate(self, dataset: PairDataset, draws: Draws, chunk: int = 64) -> dict[str, float]:
        """Held-out velocity loss, and PSNR of sampled views beside that of handing back the reference.

        Pairs of a view and itself stand apart: "psnr at the input view", of one chunk of references.
        """
        losses: list[float] = []
        seen: list[tuple[Tensor, Tensor, Tensor]] = []
        for pairs, part in held_out_parts(dataset, draws, self.config.evaluated, chunk):
            losses.append(float(self.velocity_loss(self.averaged, pairs, part)))
            made = self.sample(pairs.reference, pairs.pose, part)
            turn = torch.rad2deg(torch.atan2(pairs.pose[:, 1], pairs.pose[:, 2])).abs()
            moved = pairs.pose[:, 0].abs() + turn > 1e-3
            scores = psnr(made, pairs.target), psnr(pairs.reference, pairs.target), turn
            seen.append((scores[0][moved], scores[1][moved], scores[2][moved]))
        sampled, returned, turn = (torch.cat(column) for column in zip(*seen, strict=True))
        still = torch.tensor([0.0, 0.0, 1.0, 0.0]).expand(len(pairs.pose), -1).to(pairs.pose)
        again = psnr(self.sample(pairs.reference, still, part), pairs.reference)
        return {
            "held-out velocity": sum(losses) / len(losses),
            "psnr at the input view": float(again.mean()),
            **by_turn(sampled, turn, "psnr"),
            **by_turn(returned, turn, "psnr of the input"),
        }

    def save(self, folder: Path) -> None:
        """Write the layout of Zero-1-to-3's diffusers ports, without a VAE."""
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


def _conditioned(unet: Any, beside: Float[Tensor, "B 3 H W"], token: Float[Tensor, "B 1 D"]) -> Velocity:
    """The denoiser given reference pixels and context token."""

    def velocity(noisy: Tensor, t: Tensor) -> Tensor:
        both = torch.cat([noisy, beside], dim=1).contiguous(memory_format=memory_order(noisy.device))
        return unet(both, t, token, class_labels=token[:, 0] if unet.config.class_embed_type else None).sample

    return velocity


def _take_over(unet: Any, source: str) -> None:
    """Begin with the U-Net at `source`: tensors of equal shape, and the channels that input and output share.

    Input channels that are new begin at zero. Tensors that face a context of another width stay random.

    Raises:
        ConfigError: its blocks or widths are others.
    """
    from diffusers import UNet2DConditionModel

    with quiet(source):
        old: Any = UNet2DConditionModel.from_pretrained(
            source, subfolder="unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
        )
    known, state = old.state_dict(), unet.state_dict()
    for name, fresh in state.items():
        value = known.get(name)
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


def by_turn(scores: Float[Tensor, " B"], turn_deg: Float[Tensor, " B"], name: str) -> dict[str, float]:
    """The mean of `scores` as `name`, and the mean within each range of azimuth; nan where a range has no pair.

    Args:
        turn_deg: azimuth between the two views, in [0, 180].

    Example:
        >>> by_turn(torch.tensor([30.0, 20.0, 10.0, 12.0]), torch.tensor([0.0, 60.0, 120.0, 180.0]), "psnr")
        {'psnr': 18.0, 'psnr 0-60': 30.0, 'psnr 60-120': 20.0, 'psnr 120-180': 11.0}
    """
    figures = {name: float(scores.mean())}
    for low, high in TURNS_DEG:
        inside = (turn_deg >= low) & ((turn_deg < high) | (high == TURNS_DEG[-1][1]))
        figures[f"{name} {low}-{high}"] = float(scores[inside].mean()) if inside.any() else math.nan
    return figures

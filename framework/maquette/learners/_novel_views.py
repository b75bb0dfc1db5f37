"""Shared by learners of novel views: initial weights, sample sheet, held-out figures, and the saved layout."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.datasets.base import PairDataset, PosedPairs
from maquette.errors import ConfigError
from maquette.images.sheets import picture_grid
from maquette.learners._diffusion import Velocity, held_out_batches, mean_of_chunks
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.zero123.projection import CameraProjection
from maquette.randomness import Draws
from maquette.weights.families import VIEWS
from maquette.weights.loading import halved, quiet

AZIMUTH_CHANGES_DEG = ((0, 60), (60, 120), (120, 180))
"""Ranges of the azimuth change between two views, for which `held_out_figures` has a figure each."""
SHEET_OBJECTS, SHEET_VIEWS = 8, 4  # held-out objects on the sample sheet, and views of each

Sampler: TypeAlias = Callable[[Tensor, Tensor, Draws], Tensor]
"""(references [B, H, W, 3], relative poses [B, 4], draws) -> views [B, H, W, 3] in [0, 1]."""
Loss: TypeAlias = Callable[[PosedPairs, Draws], Tensor]
"""(pairs, draws) -> training loss of the averaged weights."""


def conditioned(unet: Any, picture: Float[Tensor, "B C h w"], token: Float[Tensor, "B 1 D"]) -> Velocity:
    """The prediction of a U-Net with a picture concatenated to the noisy one, and one context token.

    A U-Net with a class embedding gets the token there, too.
    """

    def predict(noisy: Tensor, t: Tensor) -> Tensor:
        unet_input = torch.cat([noisy, picture], dim=1).contiguous()
        return unet(unet_input, t, token, class_labels=token[:, 0] if unet.config.class_embed_type else None).sample

    return predict


def copy_weights(old: Any, unet: Any, source: str, spare: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Copy a U-Net's tensors of equal shape, and the channels that the input and output convolutions share.

    New input channels are initialised to zero. Cross-attention weights of another context width keep their values.

    Args:
        old: U-Net to copy from.
        unet: U-Net to change.
        source: of the old one, for messages.
        spare: prefixes of tensors that only the new one has.

    Returns:
        Names of the tensors that kept their values.

    Raises:
        ConfigError: blocks or widths differ.
    """
    loaded, state, remaining = old.state_dict(), unet.state_dict(), []
    for name, fresh in state.items():
        value = loaded.get(name)
        if value is not None and value.shape == fresh.shape:
            state[name] = value
        elif (value is None and name.startswith(spare)) or (
            value is not None and value.shape[0] == fresh.shape[0] and ".attn2.to_" in name
        ):
            remaining.append(name)
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
    return tuple(remaining)


@torch.no_grad()
def view_sheet(sample: Sampler, dataset: PairDataset, draws: Draws, views: int = SHEET_VIEWS) -> np.ndarray:
    """A row per object: the reference, then for each view the sample and the ground truth; [H, W, 3] in [0, 1]."""
    pairs = dataset.sample_pairs(SHEET_OBJECTS, views)
    rows = len(pairs.pose) // views  # a small data set has fewer objects
    sampled = sample(pairs.reference, pairs.pose, draws)
    references = pairs.reference.unflatten(0, (rows, views))[:, :1]
    both = torch.stack([sampled, pairs.target], dim=1).unflatten(0, (rows, views)).flatten(1, 2)
    pictures = torch.cat([references, both], dim=1)
    return picture_grid(pictures.flatten(0, 1), columns=pictures.shape[1])


@torch.no_grad()
def held_out_figures(
    loss: Loss, sample: Sampler, dataset: PairDataset, draws: Draws, count: int, chunk: int = 64,
    loss_name: str = "held-out velocity",
) -> dict[str, float]:  # fmt: skip
    """Held-out loss, PSNR of sampled views, and PSNR of the reference itself as the baseline.

    Pairs with the same view twice are excluded; "psnr at the input view" measures them on one batch.

    Args:
        count: held-out pairs.
        chunk: pairs at a time.
        loss_name: name of the loss among the figures.
    """
    losses: list[float] = []
    results: list[tuple[Tensor, Tensor, Tensor]] = []
    for pairs, batch_draws in held_out_batches(dataset, draws, count, chunk):
        losses.append(float(loss(pairs, batch_draws)))
        sampled = sample(pairs.reference, pairs.pose, batch_draws)
        azimuth_change_deg = torch.rad2deg(torch.atan2(pairs.pose[:, 1], pairs.pose[:, 2])).abs()
        is_new_view = pairs.pose[:, 0].abs() + azimuth_change_deg > 1e-3
        scores = psnr(sampled, pairs.target), psnr(pairs.reference, pairs.target), azimuth_change_deg
        results.append((scores[0][is_new_view], scores[1][is_new_view], scores[2][is_new_view]))
    sampled_psnr, reference_psnr, azimuth_change_deg = (torch.cat(column) for column in zip(*results, strict=True))
    identity_pose = torch.tensor([0.0, 0.0, 1.0, 0.0]).expand(len(pairs.pose), -1).to(pairs.pose)
    same_view_psnr = psnr(sample(pairs.reference, identity_pose, batch_draws), pairs.reference)
    return {
        loss_name: mean_of_chunks(losses, count, chunk),
        "psnr at the input view": float(same_view_psnr.mean()),
        **mean_by_azimuth_change(sampled_psnr, azimuth_change_deg, "psnr"),
        **mean_by_azimuth_change(reference_psnr, azimuth_change_deg, "psnr of the input"),
    }


def save_zero123(
    folder: Path, unet: Any, projection: CameraProjection, encoder: ImageEncoder, scheduler: Any, vae: Any = None,
    views: int = 1,
) -> None:  # fmt: skip
    """Write the layout of Zero-1-to-3's diffusers port, in half precision.

    Args:
        vae: None: without one.
        views: number of views of an object that the U-Net denoises together.
    """
    halved(projection).save(folder)
    with quiet():
        encoder.save(folder)
        halved(unet).save_pretrained(folder / "unet", safe_serialization=True)
        scheduler.save_pretrained(folder / "scheduler")
        if vae is not None:
            halved(vae).save_pretrained(folder / "vae", safe_serialization=True)
    parts = {
        "_class_name": "Zero123Pipeline",
        "clip_camera_projection": ["zero123", "CLIPCameraProjection"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", type(scheduler).__name__],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": [None, None] if vae is None else ["diffusers", "AutoencoderKL"],
        **({VIEWS: views} if views > 1 else {}),
    }
    (folder / "model_index.json").write_text(json.dumps(parts, indent=2) + "\n")


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

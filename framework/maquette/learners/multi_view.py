"""A small multi-view diffusion model, fine-tuned from a text-to-image model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Count, Fraction, WeightsPath
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.datasets.base import CaptionedGroups, GroupedDataset
from maquette.images.sheets import picture_grid
from maquette.learners._diffusion import DiffusionLearner, VelocityDiffusion, save_layout
from maquette.learners.base import Networks
from maquette.perception.tokens import tokenize
from maquette.priors.joint_views import join_views
from maquette.priors.mvdream.camera_rows import CAMERA_CONFIG, camera_rows
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.diffusers_folder import Weights
from maquette.weights.hub import hub_arguments
from maquette.weights.loading import halved, quiet, weights_source

SHEET_ELEVATION_DEG = 15.0  # of the cameras of the sample sheet
CHANNELS = 3  # predicted channels; the initial model may have more (a learned variance)
CHUNK = 16  # objects per batch of the evaluation


@register("learner", "multi-view")
class MultiViewLearner(DiffusionLearner[GroupedDataset, CaptionedGroups]):
    """Velocity-prediction diffusion of several views of an object jointly, conditioned on text and cameras.

    Sizes, tokenizer and initial weights are those of a text-to-image model in pixel space (cosine noise schedule,
    velocity prediction). Self-attention runs over all views from the first step on; the camera embedding is initialised
    to add zero. All views of an object have the same timestep, and all timesteps have weight 1. The saved model is
    loaded by the prior `mvdream`.

    Source: Shi et al. 2023 (MVDream, arXiv 2308.16512), sec. 3.1.
    """

    @dataclass(frozen=True)
    class Config:
        start: WeightsPath  # initial text-to-image weights: a folder, or the name of a plugin's weights
        drop_caption: Fraction = 0.1  # probability of training on the empty caption
        average_decay: Fraction = 0.998  # of the weight average that is saved
        sample_steps: Count = 20  # sampler steps of the sample sheet
        sample_scale: float = 3.0  # guidance scale of the sample sheet
        evaluated: Count = 256  # held-out objects of the evaluation

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: GroupedDataset) -> None:
        from transformers import AutoTokenizer, CLIPTextModel

        source = weights_source(self.config.start)
        place, revision = hub_arguments(source)
        with quiet(source):
            self.tokenizer: Any = AutoTokenizer.from_pretrained(place, subfolder="tokenizer", **revision)
            text_encoder: Any = CLIPTextModel.from_pretrained(
                place, subfolder="text_encoder", dtype=torch.float32, **revision
            )
        unet = multi_view_unet(source)
        self.size: int = unet.config.sample_size
        self.views = dataset.views
        join_views(unet, self.views)
        self.set_networks(Networks(unet=unet, text_encoder=text_encoder), self.config.average_decay)
        self.diffusion = VelocityDiffusion(snr_gamma=0.0)

    def velocity_loss(self, networks: Any, batch: CaptionedGroups, draws: Draws) -> Tensor:
        keep_caption = draws.uniform("drop-caption", len(batch.captions)).ge(self.config.drop_caption).tolist()
        text = self._text_embeddings(
            networks, [text if keep else "" for text, keep in zip(batch.captions, keep_caption, strict=True)]
        )
        rows = camera_rows(batch.cameras)

        def velocity(noisy: Tensor, t: Tensor) -> Tensor:
            return networks.unet(noisy, t, text, rows).sample

        return self.diffusion.loss(velocity, batch.images, draws, group_size=self.views)

    def _text_embeddings(self, networks: Any, captions: Sequence[str]) -> Float[Tensor, "B L D"]:
        """Text embeddings of G captions, each repeated for every view [G V, L, D]."""
        ids = tokenize(self.tokenizer, captions).input_ids.to(next(networks.parameters()).device)
        return networks.text_encoder(ids).last_hidden_state.repeat_interleave(self.views, dim=0)

    @torch.no_grad()
    def sample(self, captions: Sequence[str], cameras: Cameras, draws: Draws) -> Float[Tensor, "B H W 3"]:
        """Views of one object per caption, by DDIM from the averaged weights with classifier-free guidance.

        Args:
            captions: G texts.
            cameras: G V cameras, the V views of an object one after the other.
        """
        networks = self.averaged
        text_embeddings = self._text_embeddings(networks, [*captions, *([""] * len(captions))])
        rows = camera_rows(cameras.to(text_embeddings.device)).repeat(2, 1)
        noise = draws.normal("sample", len(cameras), CHANNELS, self.size, self.size).to(text_embeddings.device)

        def velocity(noisy: Tensor, t: Tensor) -> Tensor:
            return networks.unet(noisy, t, text_embeddings, rows).sample

        return self.denoise(velocity, noise)

    def sample_sheet(self, dataset: GroupedDataset, draws: Draws) -> np.ndarray:
        """Two captions per row, the views of each from the front counter-clockwise."""
        captions = list(dataset.sample_captions())
        azimuth_deg = (torch.arange(self.views) * (360 / self.views)).repeat(len(captions))
        ones = torch.ones(len(azimuth_deg))
        cameras = orbit_cameras(azimuth_deg, SHEET_ELEVATION_DEG * ones, ones, ones, self.size)
        return picture_grid(self.sample(captions, cameras, draws), columns=2 * self.views)

    @torch.no_grad()
    def evaluate(self, dataset: GroupedDataset, draws: Draws) -> dict[str, float]:
        """Mean loss of the averaged weights on held-out objects."""
        count = self.config.evaluated
        chunks = {start: draws.sub(str(start)) for start in range(0, count, CHUNK)}
        batches = (
            (dataset.held_out(batch_draws, min(CHUNK, count - start)), batch_draws)
            for start, batch_draws in chunks.items()
        )
        return {"held-out velocity": self.held_out_velocity(batches, CHUNK)}

    def save(self, folder: Path) -> None:
        """Write the layout of MVDream's diffusers port, without a VAE."""
        networks = self.averaged
        parts = {
            "scheduler": self.diffusion.scheduler,
            "text_encoder": halved(networks.text_encoder),
            "tokenizer": self.tokenizer,
            "unet": halved(networks.unet),
        }
        save_layout(folder, "MVDreamPipeline", parts)


def multi_view_unet(source: str) -> Any:
    """A text-to-image UNet in pixel space with a camera embedding, initialised to have no effect.

    Args:
        source: folder in the diffusers layout.
    """
    from diffusers import UNet2DConditionModel

    old = Weights(source, pickles=True, key="learner.start").unet()
    with quiet(source):
        config = {key: value for key, value in old.config.items() if not key.startswith("_")}
        unet: Any = UNet2DConditionModel.from_config({**config, **CAMERA_CONFIG, "out_channels": CHANNELS})
    state = {**unet.state_dict(), **old.state_dict()}
    unet.load_state_dict({**state, **{name: state[name][:CHANNELS] for name in ("conv_out.weight", "conv_out.bias")}})
    nn.init.zeros_(unet.class_embedding.linear_2.weight)
    nn.init.zeros_(unet.class_embedding.linear_2.bias)
    return unet

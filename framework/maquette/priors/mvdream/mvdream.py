"""MVDream: several views of an object denoised together, conditioned on text and cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import Count, WeightsPath
from maquette.cameras.base import Cameras
from maquette.config.capabilities import Capabilities
from maquette.priors.base import Request
from maquette.priors.diffusion_prior import DiffusionPrior, NetworkConfig, predict_each
from maquette.priors.joint_views import check_groups, join_views
from maquette.priors.mvdream.camera_rows import camera_rows
from maquette.priors.mvdream.layouts import from_file, from_folder, is_file
from maquette.priors.text.conditions import (
    TextConditions,
    ViewPrompts,
    text_capabilities,
    text_conditions,
)
from maquette.registry import register
from maquette.weights.diffusers_folder import run_unet
from maquette.weights.loading import check_path


@register("prior", "mvdream")
class MVDream(DiffusionPrior):
    """A text-to-multiview diffusion model, conditioned on a text and on the camera of every view.

    `views` consecutive pictures of a batch show one object, as the cameras `multiview-orbit` give them. They should
    have one timestep (`timesteps: {shared: true}`). The model receives the orientation of the cameras, not their
    distance or field of view. View prompts are off by default, since it receives cameras; all view conditions are
    then the same text.

    Source: Shi et al. 2023 (arXiv 2308.16512), sec. 3; layouts: its code, and ashawkey's port to diffusers.
    """

    @dataclass(frozen=True)
    class Config(NetworkConfig):
        path: WeightsPath  # the original's file (.pt); or a folder, a plugin's weights, or hub name with its port
        views: Count = 4  # pictures of an object
        tokenizer: WeightsPath = ""  # for a single file: folder or hub model with the tokenizer; "": the base model's
        view_dependent: bool = False  # add "front view", "side view" ... to the prompt
        view_prompts: ViewPrompts = field(default_factory=ViewPrompts)

        def __post_init__(self) -> None:
            if not is_file(self.path):
                check_path(self.path)
            elif not Path(self.path).expanduser().is_file():
                raise ValueError(f"there is no file {self.path!r}")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return replace(text_capabilities(config.view_dependent), views_per_object=config.views)

    def __init__(self, config: Config) -> None:
        self.config = config
        parts = (
            from_file(config.path, config.tokenizer) if is_file(config.path) else from_folder(config.path, config.size)
        )
        super().__init__(config, parts.noise_schedule, parts.unet, parts.vae, parts.size)
        join_views(self.unet, config.views)
        self.channels: int = self.unet.config.in_channels
        self._encode_texts, self._text_encoder_id = parts.encode_texts, parts.text_encoder_id
        self._load_limit = parts.load_limit

    def condition(self, request: Request) -> TextConditions:
        c = self.config
        return text_conditions(
            request, c.view_prompts, c.view_dependent, self._text_encoder_id, self._encode_texts, self.device,
            [self._load_limit()],
        )  # fmt: skip

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Float[Tensor, "B L D"]],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        check_groups(len(noisy), self.config.views)
        rows = camera_rows(cameras.to(self.device))

        def network(inputs: Tensor, all_t: Tensor, texts: list[Tensor]) -> Tensor:
            labels = rows.repeat(len(texts), 1)
            output = run_unet(self.unet, inputs, all_t, torch.cat(texts), self.dtype, class_labels=labels)
            return output[:, : self.channels]

        return predict_each(conditions, noisy, t, self.noise_schedule, network)

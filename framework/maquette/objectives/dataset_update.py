"""Iterative dataset update: regression to the data's images, which the prior edits one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, mse_loss

from maquette.annotations import Count, NonNegative
from maquette.config.capabilities import ANY_CAMERA, DATA, NOISE_PREDICTION, PICTURE, SOURCE_PICTURE, Capabilities
from maquette.config.parts import TimestepsSpec, part_field
from maquette.data.base import Data, Target
from maquette.diffusion.ddim import sample
from maquette.diffusion.timesteps.base import has_several_levels
from maquette.errors import require_prepared
from maquette.objectives.base import Objective, add_noise
from maquette.objectives.terms import Terms
from maquette.priors.base import Prior, Request
from maquette.randomness import Moment
from maquette.registry import register
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser


@register("objective", "dataset-update")
class DatasetUpdate(Objective):
    """Iterative dataset update: regression to the data's images, which the prior edits every n steps.

    The loss is the mean difference between rendering and images. An edit adds noise of timestep t to the rendering and
    denoises it in k deterministic steps. The prompt says what to change; an editing prior is conditioned on the
    original image, so that edits do not drift, any other prior on the text alone. An edited image replaces the whole
    image, background included, so the background should not be random.

    Source: Haque et al. 2023 (Instruct-NeRF2NeRF, arXiv 2303.12789), sec. 4.2; n, k and levels from its code, without
    its perceptual loss.
    """

    @dataclass(frozen=True)
    class Config:
        every: Count = 10  # n, steps between edits
        timesteps: TimestepsSpec = part_field("timesteps", "uniform", shared=True)  # t, where an edit starts
        steps: Count = 20  # k, denoising steps of an edit
        metric: Literal["l1", "l2"] = "l1"  # difference of colours
        threshold: NonNegative = 0.0  # the predicted z_0 is clamped to this size; 0: no clamping. 1 suits pixels

        def __post_init__(self) -> None:
            if has_several_levels(self.timesteps):
                raise ValueError("timesteps.shared: images are denoised together, from one timestep")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        own = super().capabilities(config).needing(NOISE_PREDICTION, PICTURE, DATA, ANY_CAMERA)
        return own.giving(SOURCE_PICTURE)

    def __init__(self, config: Config) -> None:
        self.config = config
        self._edited: EditedPictures | None = None

    def prepare(self, prior: Prior, request: Request, data: Data | None) -> EditedPictures:
        assert data is not None
        self._edited = EditedPictures(data.all())
        return self._edited

    def __call__(self, rendering: Rendering, denoiser: Denoiser, moment: Moment, target: Target | None = None) -> Terms:
        assert target is not None and target.indices is not None
        c, logs, pictures = self.config, {}, require_prepared(self._edited, self)
        if moment.step % c.every == 0:
            conditions = denoiser.prior.with_source_picture(
                denoiser.conditions, target.picture.over(rendering.background)
            )
            denoiser = denoiser.with_conditions(conditions).thresholded(c.threshold)
            edited, logs["timestep"] = self._edit(rendering, denoiser, moment)
            pictures.replace(target.indices, edited)
        reference = pictures(target, rendering.background)
        difference = l1_loss if c.metric == "l1" else mse_loss
        logs["edited"] = float(pictures.done.float().mean())
        return Terms({"dataset-update": difference(rendering.rgb, reference)}, logs)

    @torch.no_grad()
    def _edit(self, rendering: Rendering, denoiser: Denoiser, moment: Moment) -> tuple[Float[Tensor, "B H W 3"], float]:
        """The rendering as edited by the prior, and the timestep that the edit started from."""
        prior = denoiser.prior
        noised = add_noise(prior, prior.encode(rendering.rgb), self.config.timesteps, moment)
        t = max(int(noised.t[0]), 1)
        edited = prior.decode(sample(denoiser, noised.latents, t, self.config.steps)).permute(0, 3, 1, 2)
        size = rendering.rgb.shape[1:3]
        edited = interpolate(edited, size, mode="bilinear", antialias=True).clamp(0, 1)
        return edited.permute(0, 2, 3, 1), float(t)


class EditedPictures(nn.Module):
    """The edited images of a stage's data, in 8 bits per channel.

    Args:
        targets: all images of the data, unedited.
    """

    pictures: Tensor
    done: Tensor

    def __init__(self, targets: Target) -> None:
        super().__init__()
        color = targets.picture.color
        self.register_buffer("pictures", torch.zeros(color.shape, dtype=torch.uint8, device=color.device))
        self.register_buffer("done", torch.zeros(len(color), dtype=torch.bool, device=color.device))

    def forward(self, target: Target, background: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W 3"]:
        """The target images: the edited ones where there are, else the original ones over the background."""
        assert target.indices is not None
        edited = self.pictures[target.indices].float() / 255
        return torch.where(self.done[target.indices, None, None, None], edited, target.picture.over(background))

    def replace(self, indices: Int[Tensor, " B"], rgb: Float[Tensor, "B H W 3"]) -> None:
        """Store edited images at their indices."""
        self.pictures[indices] = (rgb * 255).round().to(self.pictures)
        self.done[indices] = True

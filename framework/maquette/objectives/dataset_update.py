"""Regress on known pictures that the prior changes one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate, l1_loss, mse_loss

from maquette.config.capabilities import ANY_CAMERA, DATA, NOISE_PREDICTION, PICTURE, SOURCE_PICTURE, Capabilities
from maquette.data.base import Data, Target
from maquette.diffusion.ddim import sample
from maquette.diffusion.timesteps import Timesteps
from maquette.errors import prepared
from maquette.objectives.base import Objective, add_noise
from maquette.objectives.terms import Terms
from maquette.priors.base import Prior, Request
from maquette.randomness import Moment
from maquette.registry import register
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser


@register("objective", "dataset-update")
class DatasetUpdate(Objective):
    """Mean difference to the stage's pictures; every n steps those that are looked at are replaced by edited ones.

    An edit starts from the rendering, noised to a level t, and denoises it in k deterministic steps. The prompt says
    what to change; a prior that changes pictures is told the picture as it was at first, so that edits do not drift,
    any other goes by the text and the rendering. An edited picture takes the place of the whole picture, with what is
    behind the object, so that the background should not be drawn at random.

    Source: Haque et al. 2023 (Instruct-NeRF2NeRF, arXiv 2303.12789), sec. 4.2; n, k and levels from its code, without
    its perceptual loss.
    """

    @dataclass(frozen=True)
    class Config:
        every: int = 10  # n, steps from edit to edit
        timesteps: Timesteps = field(default_factory=lambda: Timesteps(shared=True))  # t
        steps: int = 20  # k
        metric: Literal["l1", "l2"] = "l1"  # difference of colours
        threshold: float = 0.0  # largest |z_0| that a guided prediction may imply; 0: any. 1 suits pixels

        def __post_init__(self) -> None:
            if self.every < 1 or self.steps < 1:
                raise ValueError("every and steps are at least 1")
            if not self.timesteps.same_for_all:
                raise ValueError("timesteps.shared: pictures are denoised together, from one level")

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
        c, logs, pictures = self.config, {}, prepared(self._edited, self)
        if moment.step % c.every == 0:
            conditions = denoiser.prior.about(denoiser.conditions, target.picture.over(rendering.background))
            denoiser = denoiser.with_conditions(conditions).thresholded(c.threshold)
            made, logs["timestep"] = self._edit(rendering, denoiser, moment)
            pictures.replace(target.indices, made)
        wanted = pictures(target, rendering.background)
        difference = l1_loss if c.metric == "l1" else mse_loss
        logs["edited"] = float(pictures.done.float().mean())
        return Terms({"dataset-update": difference(rendering.rgb, wanted)}, logs)

    @torch.no_grad()
    def _edit(self, rendering: Rendering, denoiser: Denoiser, moment: Moment) -> tuple[Float[Tensor, "B H W 3"], float]:
        """The rendering as the prior changes it, and from which timestep."""
        prior = denoiser.prior
        noised = add_noise(prior, prior.encode(rendering.rgb), self.config.timesteps, moment)
        t = max(int(noised.t[0]), 1)
        made = prior.decode(sample(denoiser, noised.latents, t, self.config.steps)).permute(0, 3, 1, 2)
        size = rendering.rgb.shape[1:3]
        made = interpolate(made, size, mode="bilinear", antialias=True).clamp(0, 1)
        return made.permute(0, 2, 3, 1), float(t)


class EditedPictures(nn.Module):
    """The pictures of a stage's data that have been edited, 8 bits per colour, as files have them.

    Args:
        known: all pictures as they are at first.
    """

    pictures: Tensor
    done: Tensor

    def __init__(self, known: Target) -> None:
        super().__init__()
        color = known.picture.color
        self.register_buffer("pictures", torch.zeros(color.shape, dtype=torch.uint8, device=color.device))
        self.register_buffer("done", torch.zeros(len(color), dtype=torch.bool, device=color.device))

    def forward(self, target: Target, background: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W 3"]:
        """What the target's views should look like by now."""
        assert target.indices is not None
        edited = self.pictures[target.indices].float() / 255
        return torch.where(self.done[target.indices, None, None, None], edited, target.picture.over(background))

    def replace(self, indices: Int[Tensor, " B"], rgb: Float[Tensor, "B H W 3"]) -> None:
        """Put edited pictures at their indices."""
        self.pictures[indices] = (rgb * 255).round().to(self.pictures)
        self.done[indices] = True

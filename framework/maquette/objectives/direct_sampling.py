"""Regression to the rendering after it was noised and denoised (SDEdit)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, mse_loss

from maquette.annotations import Count, NonNegative
from maquette.config.capabilities import NOISE_PREDICTION, Capabilities
from maquette.config.schedules import FractionSchedule, Schedule
from maquette.data.base import Target
from maquette.diffusion.ddim import sample
from maquette.objectives.base import Objective, denoiser_input
from maquette.objectives.terms import Terms
from maquette.priors.base import Prior
from maquette.randomness import Moment
from maquette.registry import register
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser


@register("objective", "direct-sampling")
class DirectSampling(Objective):
    """Mean squared difference to the rendering after it was noised and denoised in k deterministic steps (SDEdit).

    Images are compared in pixels. Rendered latents are compared as latents, without encoding or decoding.

    Source: Meng et al. 2021 (SDEdit, arXiv 2108.01073), alg. 1; as a second stage, with the schedule of its code: Tang
    et al. 2023 (DreamGaussian, arXiv 2309.16653), on the refinement of textures.
    """

    @dataclass(frozen=True)
    class Config:
        start: FractionSchedule = Schedule(((0, 0.2), ("100%", 0.05)))  # t_0, as a fraction of the timesteps
        steps: Count = 50  # of a sampling from pure noise; the fraction t_0 of them is taken
        threshold: NonNegative = 0.0  # the predicted z_0 is clamped to this size; 0: no clamping. 1 suits pixels

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(NOISE_PREDICTION)

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rendering: Rendering, denoiser: Denoiser, moment: Moment, target: Target | None = None) -> Terms:
        c, prior, schedule = self.config, denoiser.prior, denoiser.noise_schedule
        denoiser = denoiser.thresholded(c.threshold)
        start = min(c.start.at(moment), 1.0)
        with torch.no_grad():
            clean = denoiser_input(rendering, prior)
            t = min(max(round(start * schedule.timesteps), 1), schedule.timesteps - 1)
            noise = moment.draws.normal("noise", *clean.shape).to(clean)
            noisy = schedule.add(clean, noise, torch.full((len(clean),), t, device=clean.device))
            sampled = sample(denoiser, noisy, t, max(round(start * c.steps), 1))
        return Terms({"direct-sampling": self._difference(rendering, prior, sampled)}, {"timestep": float(t)})

    def _difference(self, rendering: Rendering, prior: Prior, sampled: Float[Tensor, "B C h w"]) -> Tensor:
        if rendering.latents is not None:
            return mse_loss(denoiser_input(rendering, prior), sampled)
        picture = rendering.rgb.permute(0, 3, 1, 2)
        decoded = prior.decode(sampled).to(picture).permute(0, 3, 1, 2)
        return mse_loss(picture, interpolate(decoded, picture.shape[-2:], mode="bilinear", antialias=True))

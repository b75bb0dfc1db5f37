"""Score distillation sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from maquette.cameras.base import Cameras
from maquette.objectives.base import Denoiser, Objective, PullConfig, add_noise, clip_pixels, pull, subject, weigh
from maquette.priors.base import Prior
from maquette.randomness import Draws
from maquette.registry import register
from maquette.renderers.base import Rendering
from maquette.scores.base import Score
from maquette.terms import Terms


@register("objective", "sds")
class SDS(Objective):
    """Gradient w(t) (e_hat(z_t; y, t) - e) d z / d theta, without the denoiser's Jacobian.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), eq. 3; static thresholding, which keeps large guidance
    scales from asking for colours that do not exist: Saharia et al. 2022 (Imagen, arXiv 2205.11487), sec. 2.3.
    """

    @dataclass(frozen=True)
    class Config(PullConfig):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(
        self,
        rendering: Rendering,
        cameras: Cameras,
        prior: Prior,
        score: Score,
        conditions: dict[str, Any],
        step: int,
        total: int,
        draws: Draws,
    ) -> Terms:
        c = self.config
        denoiser = Denoiser(prior, score, conditions, cameras, c.threshold)
        clean = subject(rendering, prior)
        with torch.no_grad():
            z = add_noise(prior, clean, c.timesteps, step, total, draws)
            residual = denoiser.noise(z.latents, z.t, z.noise) - z.noise
            gradient = clip_pixels(weigh(c.weighting, z.alpha, z.sigma) * residual, c.gradient_clip(step, total))
        return Terms({"sds": pull(clean, gradient)}, {"timestep": float(z.t.float().mean())})

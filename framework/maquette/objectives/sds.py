"""Score distillation sampling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from maquette.cameras.base import Cameras
from maquette.config.schedules import Schedule
from maquette.objectives.base import Objective, Timesteps, Weighting, clip_pixels, threshold_noise, weigh
from maquette.priors.base import Prior
from maquette.randomness import Draws
from maquette.registry import register
from maquette.renderers.base import Rendering
from maquette.scores.base import Score
from maquette.terms import Terms


@register("objective", "sds")
class SDS(Objective):
    """Gradient w(t) (e_hat(z_t; y, t) - e) d z / d theta, without the denoiser's Jacobian.

    The loss is 1/2 |z - sg(z - G)|^2 summed over pixels and averaged over pictures, whose gradient to z is G.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), eq. 3; static thresholding, which keeps large guidance
    scales from asking for colours that do not exist: Saharia et al. 2022 (Imagen, arXiv 2205.11487), sec. 2.3.
    """

    @dataclass(frozen=True)
    class Config:
        timesteps: Timesteps = field(default_factory=Timesteps)
        weighting: Weighting = "sigma2"  # w(t)
        gradient_clip: Schedule = Schedule.constant(0.0)  # largest norm of a pixel's gradient; 0: none
        threshold: float = 0.0  # largest |z_0| that the guided prediction may imply; 0: any. 1 suits pixels

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
        latents = prior.encode(rendering.rgb)
        with torch.no_grad():
            count = len(latents)
            t = c.timesteps.draw(count, len(prior.alphas_cumprod), step, total, draws).to(latents.device)
            alpha, sigma = prior.levels(t)
            noise = draws.normal("noise", *latents.shape).to(latents)
            noisy = alpha * latents + sigma * noise
            needed = {name: conditions[name] for name in sorted(score.needs)}
            predicted = score.combine(prior.predict(noisy, t, needed, cameras))
            if c.threshold > 0:
                predicted = threshold_noise(predicted, noisy, alpha, sigma, c.threshold)
            gradient = weigh(c.weighting, alpha, sigma) * (predicted - noise)
            limit = c.gradient_clip(step, total)
            if limit > 0:
                gradient = clip_pixels(gradient, limit)
            target = latents - gradient
        loss = 0.5 * (latents - target).square().sum() / count
        return Terms({"sds": loss}, {"timestep": float(t.float().mean())})

"""Score distillation with an image-space loss in addition to the latent one (HiFA)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate

from maquette.config.capabilities import PICTURE, Capabilities
from maquette.config.parts import TimestepsSpec, part_field
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.objectives.base import (
    GradientObjectiveConfig,
    Objective,
    Weighting,
    add_noise,
    clip_pixel_gradients,
    gradient_loss,
    timestep_weight,
)
from maquette.objectives.terms import Terms
from maquette.randomness import Moment
from maquette.registry import register
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser


@register("objective", "image-sds")
class ImageSDS(Objective):
    """Score distillation in latent and image space: w(t) / 2 (|z - x_0|^2 + lambda |x - D(x_0)|^2).

    x_0 is the predicted clean latents and D the decoder. w is relative to sigma / alpha, at which the first term is the
    plain square. A pixel prior denoises its pictures in [-1, 1], so that the first term is four times the second there.

    Source: Zhu et al. 2023 (HiFA, arXiv 2305.18766), sec. 3.1, with one denoising step; timesteps fall as there.
    """

    @dataclass(frozen=True)
    class Config(GradientObjectiveConfig):
        timesteps: TimestepsSpec = part_field("timesteps", "sqrt")
        weighting: Weighting = "x0"
        image: Schedule = Schedule.constant(0.1)  # lambda_rgb; at 0 nothing is decoded

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(PICTURE)

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, rendering: Rendering, denoiser: Denoiser, moment: Moment, target: Target | None = None) -> Terms:
        c, prior = self.config, denoiser.prior
        denoiser = denoiser.thresholded(c.threshold)
        clean = prior.encode(rendering.rgb)
        with torch.no_grad():
            z = add_noise(prior, clean, c.timesteps, moment)
            guided = (z.latents - z.sigma * denoiser.noise(z.latents, z.t, z.noise)) / z.alpha
            weight = timestep_weight(c.weighting, z.alpha, z.sigma) * z.alpha / z.sigma
            gradient = clip_pixel_gradients(weight * (clean - guided), c.gradient_clip.at(moment))
        terms = Terms({"image-sds": gradient_loss(clean, gradient)}, {"timestep": float(z.t.float().mean())})
        image = c.image.at(moment)
        if image > 0:
            decoded = prior.decode(guided).permute(0, 3, 1, 2)
            picture = rendering.rgb.to(decoded).permute(0, 3, 1, 2)
            picture = interpolate(picture, decoded.shape[-2:], mode="bilinear", align_corners=False)
            terms.losses["image"] = image * gradient_loss(picture, weight * (picture.detach() - decoded))
        return terms

"""Score distillation in latents and in pictures at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch.nn.functional import interpolate

from maquette.config.capabilities import PICTURE, Capabilities
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.diffusion.timesteps import Timesteps
from maquette.objectives.base import Objective, PullConfig, Weighting, add_noise, clip_pixels, pull, weigh
from maquette.objectives.terms import Terms
from maquette.randomness import Moment
from maquette.registry import register
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser


@register("objective", "image-sds")
class ImageSDS(Objective):
    """w(t) / 2 (|z - x_0|^2 + lambda |x - D(x_0)|^2): the predicted clean latents, and the picture they decode to.

    w is relative to sigma / alpha, at which the first term is the plain square. Over a prior of pixels both terms say
    the same.

    Source: Zhu et al. 2023 (HiFA, arXiv 2305.18766), sec. 3.1, with one denoising step; timesteps fall as there.
    """

    @dataclass(frozen=True)
    class Config(PullConfig):
        timesteps: Timesteps = field(default_factory=lambda: Timesteps(kind="sqrt"))
        weighting: Weighting = "x0"
        image: Schedule = Schedule.constant(0.1)  # lambda_rgb; where it is 0 nothing is decoded

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
            weight = weigh(c.weighting, z.alpha, z.sigma) * z.alpha / z.sigma
            gradient = clip_pixels(weight * (clean - guided), c.gradient_clip.at(moment))
        terms = Terms({"image-sds": pull(clean, gradient)}, {"timestep": float(z.t.float().mean())})
        image = c.image.at(moment)
        if image > 0:
            wanted = prior.decode(guided).permute(0, 3, 1, 2)
            picture = rendering.rgb.to(wanted).permute(0, 3, 1, 2)
            picture = interpolate(picture, wanted.shape[-2:], mode="bilinear", align_corners=False)
            terms.losses["image"] = image * pull(picture, weight * (picture.detach() - wanted))
        return terms

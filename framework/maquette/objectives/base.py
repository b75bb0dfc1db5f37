"""Base class of objectives, and what they share: encoding, noising, w(t), and losses with a prescribed gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maquette.annotations import NonNegative
from maquette.config.capabilities import ONE_NOISE_LEVEL, Capabilities
from maquette.config.parts import PartSpec, TimestepsSpec, part_field
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.data.base import Data, Target
from maquette.diffusion.timesteps.base import has_several_levels
from maquette.errors import ConfigError
from maquette.objectives.terms import Terms
from maquette.priors.base import Prior, Request
from maquette.randomness import Moment
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser

Weighting = Literal["sigma2", "uniform", "fantasia", "x0"]


class Objective(ABC):
    """A distillation loss of a rendering under a prior. It owns the timesteps and w(t), and is light to build.

    The module that `prepare` returns is trained together with the scene: its parameters are optimised at
    `learning_rate` by the `auxiliary` losses of the objective's `Terms`, and they and its buffers are in every
    checkpoint.
    """

    learning_rate: Schedule = Schedule.constant(0.0)

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """What the objective needs of the prior, the score and the stage.

        Entries are conditions that it needs in addition to the score's, and a trainable copy; NOISE_PREDICTION where
        the score has to predict noise, PICTURE where color is compared. An objective that needs DATA is called with
        renderings from the cameras of the stage's data, and with the target there.
        """
        timesteps = getattr(config, "timesteps", None)
        several = isinstance(timesteps, PartSpec) and has_several_levels(timesteps)
        remedies = {ONE_NOISE_LEVEL: "set objective.timesteps.shared: true"}
        return Capabilities(gives=frozenset(() if several else {ONE_NOISE_LEVEL}), remedies=remedies)

    def prepare(self, prior: Prior, request: Request, data: Data | None) -> nn.Module | None:
        """Called once, before the first step and before a checkpoint is loaded.

        Args:
            prior: the prior that will predict.
            request: prompts and reference images.
            data: the stage's data, loaded; None: it has none.

        Returns:
            A module to train together with the scene, or None.
        """
        return None

    @abstractmethod
    def __call__(self, rendering: Rendering, denoiser: Denoiser, moment: Moment, target: Target | None = None) -> Terms:
        """The loss of one step.

        Args:
            rendering: the images [B, H, W, 3] (or latents) that the prior denoises.
            denoiser: prior and score, with the conditions and cameras of the rendering's images.
            moment: step, total and draws.
            target: the data's images from the same cameras; for objectives that need data.
        """


@dataclass(frozen=True)
class GradientObjectiveConfig:
    """Settings of the objectives that prescribe the gradient of the latents (or pixels) that the prior denoises."""

    timesteps: TimestepsSpec = part_field("timesteps", "uniform")
    weighting: Weighting = "sigma2"  # w(t)
    gradient_clip: NonNegativeSchedule = Schedule.constant(0.0)  # largest norm of a pixel's gradient; 0: no clipping
    threshold: NonNegative = 0.0  # the predicted z_0 is clamped to this size; 0: no clamping. 1 suits pixels


def denoiser_input(rendering: Rendering, prior: Prior) -> Float[Tensor, "B C h w"]:
    """The tensor that the prior denoises: the rendered latents, resized to the prior's, or the encoded rendered image.

    Raises:
        ConfigError: the latents have another number of channels than the prior's.
    """
    if rendering.latents is None:
        return prior.encode(rendering.rgb)
    channels, height, width = prior.latent_shape
    rendered_channels = rendering.latents.shape[-1]
    if rendered_channels != channels:
        raise ConfigError(
            f"the rendering has {rendered_channels} latent channels, but the prior denoises {channels}",
            hint="only a latent prior (sd15, sd21 ...) takes rendered latents; render color for a pixel prior",
        )
    latents = rendering.latents.to(prior.device).permute(0, 3, 1, 2)
    if latents.shape[-2:] != (height, width):
        latents = interpolate(latents, (height, width), mode="bilinear", align_corners=False)
    return latents


@dataclass(frozen=True)
class NoisyLatents:
    """Noisy latents z_t = alpha z_0 + sigma e, with their noise and timesteps.

    Args:
        latents: z_t.
        noise: e.
        t: timesteps.
        alpha, sigma: noise level of each image.
    """

    latents: Float[Tensor, "B C h w"]
    noise: Float[Tensor, "B C h w"]
    t: Int[Tensor, " B"]
    alpha: Float[Tensor, "B 1 1 1"]
    sigma: Float[Tensor, "B 1 1 1"]


@torch.no_grad()
def add_noise(prior: Prior, clean: Float[Tensor, "B C h w"], timesteps: PartSpec, moment: Moment) -> NoisyLatents:
    """Sample timesteps and noise for this step, and add the noise to clean latents."""
    t = draw_timesteps(prior, len(clean), timesteps, moment).to(clean.device)
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    noise = moment.draws.normal("noise", *clean.shape).to(clean)
    return NoisyLatents(alpha * clean + sigma * noise, noise, t, alpha, sigma)


def draw_timesteps(prior: Prior, count: int, timesteps: PartSpec, moment: Moment) -> Int[Tensor, " B"]:
    """Sample `count` timesteps, on the prior's device."""
    return timesteps.build().draw(count, moment, prior.noise_schedule).to(prior.device)


def timestep_weight(kind: Weighting, alpha: Tensor, sigma: Tensor) -> Tensor:
    """The timestep weight w(t): sigma^2 (DreamFusion), 1, alpha sigma^2 (Fantasia3D), or sigma / alpha.

    The last, "x0", turns the noise residual into the residual of the predicted clean latents x_0:
    sigma / alpha (e_hat - e) = z_0 - x_0.
    """
    if kind == "uniform":
        return torch.ones_like(sigma)
    if kind == "x0":
        return sigma / alpha
    return sigma.square() * (alpha if kind == "fantasia" else 1.0)


def gradient_loss(latents: Float[Tensor, "B C h w"], gradient: Float[Tensor, "B C h w"]) -> Tensor:
    """A loss with gradient G to each z: 1/2 |z - sg(z - G)|^2, summed over pixels and averaged over images."""
    return 0.5 * (latents - (latents - gradient).detach()).square().sum() / len(latents)


def clip_pixel_gradients(gradient: Float[Tensor, "B C h w"], limit: float) -> Float[Tensor, "B C h w"]:
    """Clip each pixel's gradient vector to a norm of at most `limit`; 0: no clipping."""
    if limit <= 0:
        return gradient
    norm = gradient.norm(dim=1, keepdim=True)
    return gradient * (limit / norm.clamp(min=limit))


class GradientObjective(Objective):
    """An objective that prescribes the gradient of the latents (or pixels) that the prior denoises.

    Subclasses implement `gradient`; the loss is `gradient_loss`.
    """

    part_name: str
    config: GradientObjectiveConfig

    def __call__(self, rendering: Rendering, denoiser: Denoiser, moment: Moment, target: Target | None = None) -> Terms:
        denoiser = denoiser.thresholded(self.config.threshold)
        return self.terms(denoiser_input(rendering, denoiser.prior), denoiser, moment)

    def terms(self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment) -> Terms:
        """The loss whose gradient to `clean` is `gradient`, clipped per pixel to `gradient_clip`."""
        with torch.no_grad():
            gradient, t = self.gradient(clean, denoiser, moment)
            gradient = clip_pixel_gradients(gradient, self.config.gradient_clip.at(moment))
        return Terms({self.part_name: gradient_loss(clean, gradient)}, {"timestep": float(t.float().mean())})

    @abstractmethod
    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        """The gradient of each image's latents, and its timesteps; called under `torch.no_grad`.

        Args:
            clean: latents (or pixels) of the rendering.
            denoiser: predicts the guided noise.
            moment: step, total and draws.
        """

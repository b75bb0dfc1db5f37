"""The contract of an objective, and what objectives share: what they look at, asking the prior, weights, the pull."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maquette.config.capabilities import ONE_NOISE_LEVEL, Capabilities
from maquette.config.schedules import Schedule
from maquette.data.base import Data, Target
from maquette.diffusion.timesteps import Timesteps
from maquette.errors import ConfigError
from maquette.objectives.terms import Terms
from maquette.priors.base import Prior, Request
from maquette.randomness import Moment
from maquette.renderers.base import Rendering
from maquette.scores.denoiser import Denoiser

Weighting = Literal["sigma2", "uniform", "fantasia", "x0"]


class Objective(ABC):
    """Owns the timesteps and w(t); its loss has the gradient of the paper. Light to build.

    What `prepare` returns has a part in the run beside the object: its parameters are optimised at `learning_rate`, by
    the losses that the objective calls `auxiliary`, and with its buffers they are in every checkpoint.
    """

    learning_rate: Schedule = Schedule.constant(0.0)

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """What it needs of the prior, the score and the stage.

        Entries are conditions that it asks the prior for beside the score's, and a trainable copy; NOISE_PREDICTION
        where a direction will not do, PICTURE where it compares color. One that needs DATA is shown renderings from the
        cameras of the stage's data, and called with the target there.
        """
        timesteps = getattr(config, "timesteps", None)
        several = isinstance(timesteps, Timesteps) and not timesteps.same_for_all
        remedies = {ONE_NOISE_LEVEL: "set objective.timesteps.shared: true"}
        return Capabilities(gives=frozenset(() if several else {ONE_NOISE_LEVEL}), remedies=remedies)

    def prepare(self, prior: Prior, request: Request, data: Data | None) -> nn.Module | None:
        """Called once, before the first step and before a checkpoint is loaded.

        Args:
            prior: the one that will be asked.
            request: what is to be made.
            data: the stage's known views, read; None: it has none.
        """
        return None

    @abstractmethod
    def __call__(self, rendering: Rendering, denoiser: Denoiser, moment: Moment, target: Target | None = None) -> Terms:
        """The loss of one step.

        Args:
            rendering: what the guidance shows the prior.
            denoiser: the prior and score, with the conditions and cameras of the rendering's pictures.
            moment: step, total and draws.
            target: the data's pictures from the same cameras; given to objectives that want data.
        """


@dataclass(frozen=True)
class PullConfig:
    """Settings of the objectives whose loss is a pull along a gradient in what the prior denoises."""

    timesteps: Timesteps = field(default_factory=Timesteps)
    weighting: Weighting = "sigma2"  # w(t)
    gradient_clip: Schedule = Schedule.constant(0.0)  # largest norm of a pixel's gradient; 0: none
    threshold: float = 0.0  # largest |z_0| that the guided prediction may imply; 0: any. 1 suits pixels

    def __post_init__(self) -> None:
        if self.threshold < 0:
            raise ValueError(f"threshold is at least 0, not {self.threshold:g}")
        if min(value for _, value in self.gradient_clip.points) < 0:
            raise ValueError("gradient_clip is at least 0")


def subject(rendering: Rendering, prior: Prior) -> Float[Tensor, "B C h w"]:
    """What the prior denoises: the rendering's latents, brought to the prior's grid, or else its picture, encoded.

    Raises:
        ConfigError: the latents have another number of channels than what the prior denoises.
    """
    if rendering.latents is None:
        return prior.encode(rendering.rgb)
    channels, height, width = prior.latent_shape
    drawn = rendering.latents.shape[-1]
    if drawn != channels:
        raise ConfigError(
            f"what is drawn has {drawn} latent channels, but the prior denoises {channels}",
            hint="only a latent prior (sd15, sd21 ...) can look at latents; draw colour for one of pixels",
        )
    latents = rendering.latents.to(prior.device).permute(0, 3, 1, 2)
    if latents.shape[-2:] != (height, width):
        latents = interpolate(latents, (height, width), mode="bilinear", align_corners=False)
    return latents


@dataclass(frozen=True)
class Noised:
    """z_t = alpha z_0 + sigma e.

    Args:
        latents: z_t.
        noise: e.
        t: timesteps.
        alpha, sigma: of each picture.
    """

    latents: Float[Tensor, "B C h w"]
    noise: Float[Tensor, "B C h w"]
    t: Int[Tensor, " B"]
    alpha: Float[Tensor, "B 1 1 1"]
    sigma: Float[Tensor, "B 1 1 1"]


@torch.no_grad()
def add_noise(prior: Prior, clean: Float[Tensor, "B C h w"], timesteps: Timesteps, moment: Moment) -> Noised:
    """Draw timesteps and noise for this step."""
    t = draw_timesteps(prior, len(clean), timesteps, moment).to(clean.device)
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    noise = moment.draws.normal("noise", *clean.shape).to(clean)
    return Noised(alpha * clean + sigma * noise, noise, t, alpha, sigma)


def draw_timesteps(prior: Prior, count: int, timesteps: Timesteps, moment: Moment) -> Int[Tensor, " B"]:
    """`count` timesteps of the prior."""
    return timesteps.draw(count, moment, prior.noise_schedule).to(prior.device)


def weigh(kind: Weighting, alpha: Tensor, sigma: Tensor) -> Tensor:
    """w(t): sigma^2 (DreamFusion), 1, alpha sigma^2 (Fantasia3D), or sigma / alpha.

    The last, "x0", makes of e_hat - e the way from the predicted clean picture: sigma / alpha (e_hat - e) = z_0 - x_0.
    """
    if kind == "uniform":
        return torch.ones_like(sigma)
    if kind == "x0":
        return sigma / alpha
    return sigma.square() * (alpha if kind == "fantasia" else 1.0)


def pull(latents: Float[Tensor, "B C h w"], gradient: Float[Tensor, "B C h w"]) -> Tensor:
    """1/2 |z - sg(z - G)|^2, summed over pixels and averaged over pictures: a loss whose gradient to each z is G."""
    return 0.5 * (latents - (latents - gradient).detach()).square().sum() / len(latents)


def clip_pixels(gradient: Float[Tensor, "B C h w"], limit: float) -> Float[Tensor, "B C h w"]:
    """Scale each pixel's gradient vector down to a norm of at most `limit`; 0: leave all as they are."""
    if limit <= 0:
        return gradient
    norm = gradient.norm(dim=1, keepdim=True)
    return gradient * (limit / norm.clamp(min=limit))


class Pull(Objective):
    """An objective whose loss is a pull along a gradient in what the prior denoises; a subclass gives the gradient."""

    part_name: str
    config: PullConfig

    def __call__(self, rendering: Rendering, denoiser: Denoiser, moment: Moment, target: Target | None = None) -> Terms:
        denoiser = denoiser.thresholded(self.config.threshold)
        return self.pulled(subject(rendering, denoiser.prior), denoiser, moment)

    def pulled(self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment) -> Terms:
        """The loss whose gradient to `clean` is `gradient`, no pixel's longer than the config says."""
        with torch.no_grad():
            gradient, t = self.gradient(clean, denoiser, moment)
            gradient = clip_pixels(gradient, self.config.gradient_clip.at(moment))
        return Terms({self.part_name: pull(clean, gradient)}, {"timestep": float(t.float().mean())})

    @abstractmethod
    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        """The gradient of each picture, and the timesteps it was found at; called without recording derivatives.

        Args:
            clean: what the prior denoises.
            denoiser: predicts the guided noise.
            moment: step, total and draws.
        """

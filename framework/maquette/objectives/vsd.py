"""Variational score distillation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import mse_loss

from maquette.config.capabilities import NOISE_PREDICTION, Capabilities, condition, trainable_copy
from maquette.config.parts import PriorSpec
from maquette.config.schedules import Schedule
from maquette.data.base import Data
from maquette.diffusion.noise import NoiseSchedule
from maquette.diffusion.timesteps import Timesteps
from maquette.errors import ConfigError, prepared
from maquette.objectives.base import Pull, PullConfig, add_noise, weigh
from maquette.objectives.terms import Terms
from maquette.priors.base import Conditions, CopyKind, Prior, Request, TrainableCopy
from maquette.randomness import Moment
from maquette.registry import register
from maquette.scores.denoiser import Denoiser


@register("objective", "vsd")
class VSD(Pull):
    """Gradient w(t) (e_hat(z_t; y, t) - e_phi(z_t; y, c, t)): `sds` with what phi sees in the place of the noise.

    phi is a trainable copy of the prior that learns the renderings, by min |e_phi(alpha z + sigma e; y, c, t) - e|^2 in
    what the copy predicts, with noise of its own, one step for each step of the object. c is the camera-to-world
    matrix. One phi serves all pictures of a step, be they of one object or of several particles.

    Source: Wang et al. 2023 (ProlificDreamer, arXiv 2305.16213), eq. 9 and alg. 1; timesteps, text without view words
    and dropped cameras from its code.
    """

    @dataclass(frozen=True)
    class Config(PullConfig):
        copy: CopyKind = "lora"  # what of phi is trained; priors without a network: copy
        rank: int = 4  # of the additions of copy: lora
        learning_rate: Schedule = Schedule.constant(1e-4)  # of phi
        condition: str = "viewless"  # y, that phi is asked under
        camera_dropout: float = 0.1  # share of pictures from which phi learns without c
        copy_timesteps: Timesteps = field(  # from which phi learns
            default_factory=lambda: Timesteps(low=Schedule.constant(0.0), high=Schedule.constant(1.0))
        )
        base: PriorSpec | None = None  # what phi is a copy of, with the same latents and levels; none: the prior itself

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.rank < 1 or not 0 <= self.camera_dropout <= 1:
                raise ValueError("rank is at least 1, and camera_dropout between 0 and 1")

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        own = super().capabilities(config).needing(NOISE_PREDICTION)
        of_source = frozenset({condition(config.condition), trainable_copy(config.copy)})
        if config.base is None:
            return own.needing(*of_source)
        return replace(own, inner={"base": of_source})

    def __init__(self, config: Config) -> None:
        self.config, self.learning_rate = config, config.learning_rate
        self._conditions: Conditions | None = None
        self._trained: tuple[Prior, TrainableCopy] | None = None

    def prepare(self, prior: Prior, request: Request, data: Data | None) -> TrainableCopy:
        source = prior
        if self.config.base is not None:
            source = self.config.base.build()
            self._conditions = source.condition(request)
            if not _same_levels(source.noise_schedule, prior.noise_schedule):
                raise ConfigError("the base has other noise levels than the prior", key="objective.base")
        copy = source.trainable_copy(self.config.copy, self.config.rank)
        self._trained = (source, copy)
        return copy

    def pulled(self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment) -> Terms:
        terms = super().pulled(clean, denoiser, moment)
        condition, pose = self._copy_inputs(clean, denoiser)
        terms.auxiliary["copy"] = self._learn(clean.detach(), condition, pose, moment.sub("copy"))
        return terms

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c = self.config
        condition, pose = self._copy_inputs(clean, denoiser)
        z = add_noise(denoiser.prior, clean, c.timesteps, moment)
        source, copy = prepared(self._trained, self)
        output = copy(z.latents, z.t, condition, pose)
        residual = denoiser.noise(z.latents, z.t) - source.noise_schedule.epsilon(output, z.latents, z.t)
        return weigh(c.weighting, z.alpha, z.sigma) * residual, z.t

    def _copy_inputs(self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser) -> tuple[Any, Float[Tensor, "B 16"]]:
        """What phi is conditioned on for each picture: y, and c as a row of numbers."""
        conditions = denoiser.conditions if self._conditions is None else self._conditions.at(denoiser.cameras)
        return conditions[self.config.condition], denoiser.cameras.c2w.flatten(1).to(clean)

    def _learn(
        self,
        clean: Float[Tensor, "B C h w"],
        condition: Any,
        pose: Float[Tensor, "B 16"],
        moment: Moment,
    ) -> Tensor:
        """The loss of phi on the renderings."""
        source, copy = prepared(self._trained, self)
        z = add_noise(source, clean, self.config.copy_timesteps, moment)
        kept = moment.draws.uniform("camera", len(clean), 1).to(pose) >= self.config.camera_dropout
        output = copy(z.latents, z.t, condition, pose * kept)
        return mse_loss(output, source.noise_schedule.target(clean, z.noise, z.t))


def _same_levels(one: NoiseSchedule, other: NoiseSchedule) -> bool:
    """Whether two schedules have the same noise level at every timestep."""
    if one.timesteps != other.timesteps:
        return False
    t = torch.arange(one.timesteps)
    return torch.equal(one.alpha_sigma(t)[0].cpu(), other.alpha_sigma(t)[0].cpu())

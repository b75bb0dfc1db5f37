"""Variational score distillation (VSD)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import mse_loss

from maquette.annotations import Count, Fraction
from maquette.config.capabilities import NOISE_PREDICTION, Capabilities, condition, trainable_copy
from maquette.config.parts import PriorSpec, TimestepsSpec, part_field
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.data.base import Data
from maquette.diffusion.noise import NoiseSchedule
from maquette.errors import ConfigError, require_prepared
from maquette.objectives.base import GradientObjective, GradientObjectiveConfig, add_noise, timestep_weight
from maquette.objectives.terms import Terms
from maquette.priors.base import Conditions, CopyKind, Prior, Request, TrainableCopy
from maquette.randomness import Moment
from maquette.registry import register
from maquette.scores.denoiser import Denoiser


@register("objective", "vsd")
class VSD(GradientObjective):
    """Variational score distillation: gradient w(t) (e_hat(z_t; y, t) - e_phi(z_t; y, c, t)).

    phi is a trainable copy of the prior (a LoRA by default) that is fitted to the renderings by
    min |e_phi(alpha z + sigma e; y, c, t) - e|^2 in its prediction type, with separate noise, one step for each step of
    the scene. c is the camera-to-world matrix. One phi serves all images of a step, of one object or of several
    particles.

    Source: Wang et al. 2023 (ProlificDreamer, arXiv 2305.16213), eq. 9 and alg. 1; timesteps, prompts without view
    words and camera dropout from its code.
    """

    @dataclass(frozen=True)
    class Config(GradientObjectiveConfig):
        copy: CopyKind = "lora"  # which weights of phi are trained; priors without a network take copy
        rank: Count = 4  # of the LoRA
        learning_rate: NonNegativeSchedule = Schedule.constant(1e-4)  # of phi
        condition: str = "viewless"  # y, the condition of phi
        camera_dropout: Fraction = 0.1  # fraction of images on which phi is trained without c
        copy_timesteps: TimestepsSpec = part_field(  # of phi's training
            "timesteps", "uniform", low=Schedule.constant(0.0), high=Schedule.constant(1.0)
        )
        base: PriorSpec | None = None  # prior that phi copies, with equal latents and noise schedule; none: the prior

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
            if not _same_noise_levels(source.noise_schedule, prior.noise_schedule):
                raise ConfigError("the base has another noise schedule than the prior", key="objective.base")
        copy = source.trainable_copy(self.config.copy, self.config.rank)
        self._trained = (source, copy)
        return copy

    def terms(self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment) -> Terms:
        terms = super().terms(clean, denoiser, moment)
        condition, pose = self._copy_inputs(clean, denoiser)
        terms.auxiliary["copy"] = self._learn(clean.detach(), condition, pose, moment.sub("copy"))
        return terms

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c = self.config
        condition, pose = self._copy_inputs(clean, denoiser)
        z = add_noise(denoiser.prior, clean, c.timesteps, moment)
        source, copy = require_prepared(self._trained, self)
        output = copy(z.latents, z.t, condition, pose)
        residual = denoiser.noise(z.latents, z.t) - source.noise_schedule.epsilon(output, z.latents, z.t)
        return timestep_weight(c.weighting, z.alpha, z.sigma) * residual, z.t

    def _copy_inputs(self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser) -> tuple[Any, Float[Tensor, "B 16"]]:
        """The inputs of phi for each image: the condition y, and c [B, 16]."""
        conditions = denoiser.conditions if self._conditions is None else self._conditions.at(denoiser.cameras)
        return conditions[self.config.condition], denoiser.cameras.c2w.flatten(1).to(clean)

    def _learn(
        self,
        clean: Float[Tensor, "B C h w"],
        condition: Any,
        pose: Float[Tensor, "B 16"],
        moment: Moment,
    ) -> Tensor:
        """The denoising loss of phi on the renderings."""
        source, copy = require_prepared(self._trained, self)
        z = add_noise(source, clean, self.config.copy_timesteps, moment)
        has_camera = moment.draws.uniform("camera", len(clean), 1).to(pose) >= self.config.camera_dropout
        output = copy(z.latents, z.t, condition, pose * has_camera)
        return mse_loss(output, source.noise_schedule.target(clean, z.noise, z.t))


def _same_noise_levels(one: NoiseSchedule, other: NoiseSchedule) -> bool:
    """Whether two schedules have the same noise level at every timestep."""
    if one.timesteps != other.timesteps:
        return False
    t = torch.arange(one.timesteps)
    return torch.equal(one.alpha_sigma(t)[0].cpu(), other.alpha_sigma(t)[0].cpu())

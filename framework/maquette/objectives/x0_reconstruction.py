"""Regression to the prior's prediction of the clean image (the x0-reconstruction loss of MVDream)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import Count, Fraction
from maquette.config.capabilities import Capabilities, condition
from maquette.config.parts import TimestepsSpec, part_field
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError
from maquette.objectives.base import GradientObjective, GradientObjectiveConfig, Weighting, add_noise, timestep_weight
from maquette.randomness import Moment
from maquette.registry import register
from maquette.scores.cfg_rescale import rescale_guidance
from maquette.scores.denoiser import Denoiser


@register("objective", "x0-reconstruction")
class X0Reconstruction(GradientObjective):
    """Reconstruction of the predicted clean latents: 1/2 |z - sg(x_0)|^2, x_0 = (z_t - sigma e_hat) / alpha rescaled.

    The rescaling is that of `cfg-rescale`: phi x_0 std(x_0 of the positive) / std(x_0) + (1 - phi) x_0, with standard
    deviations over all views of an object.
    Without rescaling it is `sds` with w = sigma / alpha; other weightings are relative to that.

    Source: Shi et al. 2023 (MVDream, arXiv 2308.16512), on score distillation; phi and timesteps from its code.
    """

    @dataclass(frozen=True)
    class Config(GradientObjectiveConfig):
        timesteps: TimestepsSpec = part_field(
            "timesteps", "uniform",
            low=Schedule(((0, 0.98), ("80%", 0.02))), high=Schedule(((0, 0.98), ("80%", 0.5))),
        )  # fmt: skip
        weighting: Weighting = "x0"
        rescale: Fraction = 0.5  # phi; 0: no rescaling
        views: Count = 1  # consecutive images of one object, with one standard deviation

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        own = super().capabilities(config)
        return own.needing(condition("positive")) if config.rescale > 0 else own

    def __init__(self, config: Config) -> None:
        self.config = config

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c = self.config
        z = add_noise(denoiser.prior, clean, c.timesteps, moment)
        predictions = denoiser.predictions(z.latents, z.t, self.capabilities(c).conditions)
        guided = (z.latents - z.sigma * denoiser.combine(predictions, z.latents, z.t, z.noise)) / z.alpha
        if c.rescale > 0:
            unguided = (z.latents - z.sigma * predictions["positive"]) / z.alpha
            guided = self._by_object(guided, unguided)
        return timestep_weight(c.weighting, z.alpha, z.sigma) * z.alpha / z.sigma * (clean - guided), z.t

    def _by_object(
        self, guided: Float[Tensor, "B C h w"], unguided: Float[Tensor, "B C h w"]
    ) -> Float[Tensor, "B C h w"]:
        views = self.config.views
        if len(guided) % views:
            raise ConfigError(
                f"{views} pictures are of one object, and a step renders {len(guided)}", key="objective.views",
                hint="set it to what divides the number of cameras of a step",
            )  # fmt: skip
        grouped = (-1, views, *guided.shape[1:])
        return rescale_guidance(guided.reshape(grouped), unguided.reshape(grouped), self.config.rescale).reshape(
            guided.shape
        )

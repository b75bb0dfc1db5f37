"""The diffusion of volumes: networks predict the clean volume, losses and samplers are those of pictures.

A batch [B, C, h, w] is B volumes, or B cells each with a noise level, of C h w numbers in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from maquette.diffusion.noise import TIMESTEPS, DiscreteSchedule
from maquette.diffusion.noise.cosine import cosine_levels
from maquette.diffusion.samplers import SamplerName, sample_from_noise
from maquette.randomness import Draws

CleanPredictor = Callable[[Tensor, Tensor], Tensor]
"""(noisy [B, C, h, w], timesteps [B]) -> predicted clean volumes [B, C, h, w]."""

SCHEDULE = DiscreteSchedule(cosine_levels(TIMESTEPS).float(), "sample")


@dataclass(frozen=True)
class CleanDenoiser:
    """The noise prediction of a network that predicts the clean volume, which is held in [-1, 1]."""

    predict: CleanPredictor
    noise_schedule: DiscreteSchedule = SCHEDULE

    def noise(self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"]) -> Float[Tensor, "B C h w"]:
        """The noise prediction at timesteps t."""
        return self.noise_schedule.epsilon(self.predict(noisy, t).clamp(-1, 1), noisy, t)


def noise_clean(clean: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], draws: Draws) -> Float[Tensor, "B C h w"]:
    """z_t of clean volumes."""
    noise = draws.normal("noise", *clean.shape).to(clean)
    return SCHEDULE.to(clean.device).add(clean, noise, t)


def sample_clean(
    predict: CleanPredictor,
    noise: Float[Tensor, "B C h w"],
    steps: int,
    draws: Draws,
    sampler: SamplerName = "ddim",
) -> Float[Tensor, "B C h w"]:
    """Clean volumes in [-1, 1] from standard normal noise; one step is the prediction from pure noise.

    Args:
        predict: the network under its conditions.
        noise: z at the last timestep.
        steps: evaluations of the network.
        draws: for the noise that ancestral steps add.
        sampler: as for pictures.
    """
    denoiser = CleanDenoiser(predict, SCHEDULE.to(noise.device))
    return sample_from_noise(sampler, denoiser, noise, steps, draws).clamp(-1, 1)

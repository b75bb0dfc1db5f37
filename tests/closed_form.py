"""A prior whose every answer is known, and pictures to show it."""

from __future__ import annotations

import torch

from maquette.config.capabilities import ANY_CAMERA, Capabilities, condition
from maquette.diffusion.noise import DiscreteSchedule
from maquette.objectives.base import Objective
from maquette.priors.base import Prior
from maquette.randomness import Draws, Moment
from maquette.scores.base import Score
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from views import front, rendering

CONDITIONS = {"positive": 0.5, "unconditional": 0.0, "empty": -0.25}
"""The means under which pictures are normal."""

STEP, TOTAL, DRAWS = 3, 10, Draws(0, 3)


class Gaussian(Prior):
    """The exact denoiser of pictures drawn from N(mean, variance), one mean per condition."""

    device = torch.device("cpu")

    def __init__(self, variance: float = 0.25) -> None:
        self.noise_schedule = DiscreteSchedule(torch.linspace(0.999, 0.01, 1000))
        self.variance = variance

    @classmethod
    def capabilities(cls, config):
        return Capabilities(gives=frozenset({ANY_CAMERA, *map(condition, CONDITIONS)}))

    def condition(self, request):
        raise AssertionError("its conditions are CONDITIONS, whatever is asked for")

    def encode(self, rgb):
        return rgb.permute(0, 3, 1, 2) * 2 - 1

    def decode(self, latents):
        return latents.permute(0, 2, 3, 1) / 2 + 0.5

    def predict(self, noisy, t, conditions, cameras):
        alpha, sigma = self.noise_schedule.alpha_sigma(t)
        total = alpha**2 * self.variance + sigma**2
        return {name: sigma * (noisy - alpha * mean) / total for name, mean in conditions.items()}


def pulls(
    objective: Objective,
    rgb: torch.Tensor,
    score: Score | None = None,
    prior: Prior | None = None,
    conditions: dict[str, float] = CONDITIONS,
    step: int = STEP,
    draws: Draws = DRAWS,
) -> torch.Tensor:
    """The gradient G that each picture's pixels z = 2 rgb - 1 get [B, 3, h, w]; guidance has scale 4 unless told."""
    rgb = rgb.clone().requires_grad_(True)
    denoiser = Denoiser(prior or Gaussian(), score or CFG(CFG.Config(scale=4.0)), conditions, front(len(rgb)))
    terms = objective(rendering(rgb), denoiser, Moment(step, TOTAL, draws))
    terms.total().backward()
    return rgb.grad.permute(0, 3, 1, 2) * len(rgb) / 2  # d z / d rgb is 2, and losses are means over pictures


def guided(prior: Prior, noisy: torch.Tensor, t: torch.Tensor, scale: float = 4.0) -> torch.Tensor:
    """e_u + s (e_c - e_u), written out."""
    predicted = prior.predict(noisy, t, CONDITIONS, None)
    return predicted["unconditional"] + scale * (predicted["positive"] - predicted["unconditional"])


def flow(prior: Gaussian, z: torch.Tensor, mean: float, start: tuple[float, float], end: tuple[float, float]):
    """Where the probability flow takes z from one (alpha, sigma) to another: its distance from the mean grows with
    the deviation, (z - alpha m) / sqrt(alpha^2 v + sigma^2) stays."""
    spread = [(alpha**2 * prior.variance + sigma**2) ** 0.5 for alpha, sigma in (start, end)]
    return end[0] * mean + (z - start[0] * mean) * spread[1] / spread[0]

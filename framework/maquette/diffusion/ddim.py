"""DDIM: deterministic steps between timesteps, up (inversion) and down (sampling).

Source: Song et al. 2020 (DDIM, arXiv 2010.02502), eq. 12, and sec. 4.3 for inversion.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.diffusion.noise import NoiseSchedule
from maquette.randomness import Draws

AlphaSigma = tuple[Float[Tensor, "B 1 1 1"], Float[Tensor, "B 1 1 1"]]


class NoisePredictor(Protocol):
    """A model that predicts noise on a schedule, such as a denoiser."""

    @property
    def noise_schedule(self) -> NoiseSchedule:
        """The model's noise process."""

    def noise(self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"]) -> Float[Tensor, "B C h w"]:
        """The noise prediction at timesteps t."""


def ddim_alpha_sigma(schedule: NoiseSchedule, t: Int[Tensor, " B"]) -> AlphaSigma:
    """(alpha_t, sigma_t), with (1, 0) at timestep 0, which stands for the clean picture."""
    alpha, sigma = schedule.alpha_sigma(t)
    clean = (t == 0)[:, None, None, None]
    return torch.where(clean, 1.0, alpha), torch.where(clean, 0.0, sigma)


def ddim_step(
    noisy: Float[Tensor, "B C h w"], noise: Float[Tensor, "B C h w"], start: AlphaSigma, end: AlphaSigma
) -> Float[Tensor, "B C h w"]:
    """The noisy picture at another noise level, with the same predicted clean picture and noise."""
    clean = (noisy - start[1] * noise) / start[0]
    return end[0] * clean + end[1] * noise


@torch.no_grad()
def invert(
    denoiser: NoisePredictor,
    clean: Float[Tensor, "B C h w"],
    t: Int[Tensor, " B"],
    stride: int,
    eta: float = 0.0,
    draws: Draws | None = None,
) -> Float[Tensor, "B C h w"]:
    """DDIM inversion: the noisy picture at `t` that DDIM sampling maps back to `clean`.

    Args:
        denoiser: predicts the noise at the lower timestep of each step.
        clean: z_0.
        t: final timestep of each picture.
        stride: timesteps per step; the last one is shorter.
        eta: fraction of the noise of ancestral sampling that is added at each step.
        draws: for that noise.
    """
    schedule, noisy, at = denoiser.noise_schedule, clean, torch.zeros_like(t)
    here = ddim_alpha_sigma(schedule, at)
    for index in range(math.ceil(int(t.max()) / stride)):
        following = torch.minimum(at + stride, t)
        there = ddim_alpha_sigma(schedule, following)
        noisy = ddim_step(noisy, denoiser.noise(noisy, at), here, there)
        if eta > 0:
            assert draws is not None
            fresh = draws.normal(f"inversion {index}", *clean.shape).to(clean)
            noisy = noisy + eta * _ancestral_deviation(here, there) * fresh
        at, here = following, there
    return noisy


def _ancestral_deviation(low: AlphaSigma, high: AlphaSigma) -> Float[Tensor, "B 1 1 1"]:
    """Standard deviation of the less noisy picture given the noisier and the clean one."""
    variance = (low[1] / high[1].clamp(min=1e-8)).square() * (1 - (high[0] / low[0]).square())
    return variance.clamp(min=0).sqrt()


@torch.no_grad()
def sample(
    denoiser: NoisePredictor, noisy: Float[Tensor, "B C h w"], t: int, num_steps: int
) -> Float[Tensor, "B C h w"]:
    """The clean picture after `num_steps` even DDIM steps from timestep `t` >= 1; equal timesteps are skipped."""
    schedule, count = denoiser.noise_schedule, len(noisy)
    stops = dict.fromkeys(round(t * (num_steps - i) / num_steps) for i in range(num_steps + 1))
    for start, end in pairwise(stops):
        here, there = (torch.full((count,), stop, device=noisy.device) for stop in (start, end))
        alpha_sigma = (ddim_alpha_sigma(schedule, stop) for stop in (here, there))
        noisy = ddim_step(noisy, denoiser.noise(noisy, here), *alpha_sigma)
    return noisy

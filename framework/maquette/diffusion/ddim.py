"""Deterministic steps between noise levels, and the way they lead from a clean picture up and down again.

Source: Song et al. 2020 (DDIM, arXiv 2010.02502), eq. 12, and sec. 4.3 for the way up.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.priors.base import Prior
from maquette.randomness import Draws
from maquette.scores.denoiser import Denoiser

Level = tuple[Float[Tensor, "B 1 1 1"], Float[Tensor, "B 1 1 1"]]


def level(prior: Prior, t: Int[Tensor, " B"]) -> Level:
    """(alpha_t, sigma_t), where timestep 0 is the clean picture itself: (1, 0)."""
    alpha, sigma = prior.levels(t)
    clean = (t == 0)[:, None, None, None]
    return torch.where(clean, 1.0, alpha), torch.where(clean, 0.0, sigma)


def move(
    noisy: Float[Tensor, "B C h w"], noise: Float[Tensor, "B C h w"], start: Level, end: Level
) -> Float[Tensor, "B C h w"]:
    """The same clean picture with the same noise at another level."""
    clean = (noisy - start[1] * noise) / start[0]
    return end[0] * clean + end[1] * noise


@torch.no_grad()
def invert(
    denoiser: Denoiser,
    clean: Float[Tensor, "B C h w"],
    t: Int[Tensor, " B"],
    stride: int,
    eta: float = 0.0,
    draws: Draws | None = None,
) -> Float[Tensor, "B C h w"]:
    """The noisy picture at `t` that deterministic denoising leads back to `clean`, by steps of `stride` upwards.

    Args:
        denoiser: asked at the level that each step leaves.
        clean: z_0.
        t: of each picture.
        stride: timesteps per step; the last one is shorter.
        eta: share of the noise of ancestral sampling that is put on at each step.
        draws: for that noise.
    """
    prior, noisy, at = denoiser.prior, clean, torch.zeros_like(t)
    here = level(prior, at)
    for index in range(-(-int(t.max()) // stride)):
        following = torch.minimum(at + stride, t)
        there = level(prior, following)
        noisy = move(noisy, denoiser.noise(noisy, at), here, there)
        if eta > 0:
            assert draws is not None
            fresh = draws.normal(f"inversion {index}", *clean.shape).to(clean)
            noisy = noisy + eta * _ancestral_deviation(here, there) * fresh
        at, here = following, there
    return noisy


def _ancestral_deviation(low: Level, high: Level) -> Float[Tensor, "B 1 1 1"]:
    """Standard deviation of the less noisy picture given the noisier and the clean one."""
    share = (low[1] / high[1].clamp(min=1e-8)).square() * (1 - (high[0] / low[0]).square())
    return share.clamp(min=0).sqrt()


@torch.no_grad()
def sample(denoiser: Denoiser, noisy: Float[Tensor, "B C h w"], t: int, steps: int) -> Float[Tensor, "B C h w"]:
    """The clean picture that `steps` even steps lead to from timestep `t`, at least 1; fewer where they coincide."""
    prior, count = denoiser.prior, len(noisy)
    stops = dict.fromkeys(round(t * (steps - i) / steps) for i in range(steps + 1))
    for start, end in pairwise(stops):
        here, there = (torch.full((count,), stop, device=noisy.device) for stop in (start, end))
        noisy = move(noisy, denoiser.noise(noisy, here), level(prior, here), level(prior, there))
    return noisy

"""The contract of an objective, and what objectives share: timesteps and weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.config.schedules import Schedule
from maquette.priors.base import Prior
from maquette.randomness import Draws
from maquette.renderers.base import Rendering
from maquette.scores.base import Score
from maquette.terms import Terms

Weighting = Literal["sigma2", "uniform", "fantasia"]


@dataclass(frozen=True)
class Timesteps:
    """Which noise levels are drawn, as shares of the T training steps.

    Both ends are schedules, so that a range can anneal. "uniform" draws between them for each picture; "sqrt" goes
    from the upper to the lower end with the square root of the progress, without chance.

    Source: uniform range, Poole et al. 2022 (arXiv 2209.14988), sec. 3; sqrt, Zhu et al. 2023 (HiFA, arXiv 2305.18766),
    eq. 8.
    """

    kind: Literal["uniform", "sqrt"] = "uniform"
    low: Schedule = Schedule.constant(0.02)
    high: Schedule = Schedule.constant(0.98)

    def draw(self, count: int, levels: int, step: int, total: int, draws: Draws) -> Int[Tensor, " B"]:
        """`count` timesteps in [0, levels), both ends of the range included."""
        low, high = self.low(step, total), self.high(step, total)
        if self.kind == "sqrt":
            share = high - (high - low) * math.sqrt(min(step / max(total, 1), 1.0))
            return torch.full((count,), min(int(share * levels), levels - 1))
        first, last = int(low * levels), min(int(high * levels), levels - 1)
        return draws.integers("timestep", first, max(first, last), count)


def weigh(kind: Weighting, alpha: Tensor, sigma: Tensor) -> Tensor:
    """w(t): sigma^2 (DreamFusion), 1, or alpha sigma^2 (Fantasia3D)."""
    if kind == "uniform":
        return torch.ones_like(sigma)
    return sigma.square() * (alpha if kind == "fantasia" else 1.0)


class Objective:
    """Owns the timesteps and w(t); its loss has the gradient of the paper."""

    def __call__(
        self,
        rendering: Rendering,
        cameras: Cameras,
        prior: Prior,
        score: Score,
        conditions: dict[str, Any],
        step: int,
        total: int,
        draws: Draws,
    ) -> Terms:
        """The loss of one step."""
        raise NotImplementedError


def clip_pixels(gradient: Float[Tensor, "B C h w"], limit: float) -> Float[Tensor, "B C h w"]:
    """Scale each pixel's gradient vector down to a norm of at most `limit`."""
    norm = gradient.norm(dim=1, keepdim=True)
    return gradient * (limit / norm.clamp(min=limit))


def threshold_noise(
    noise: Float[Tensor, "B C h w"], noisy: Float[Tensor, "B C h w"], alpha: Tensor, sigma: Tensor, limit: float
) -> Float[Tensor, "B C h w"]:
    """The noise prediction whose implied clean picture (z - sigma e) / alpha is cut to [-limit, limit]."""
    clean = ((noisy - sigma * noise) / alpha).clamp(-limit, limit)
    return (noisy - alpha * clean) / sigma

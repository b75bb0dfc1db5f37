"""A prior seen through a score: what an objective asks for noise predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.priors.base import Prior
from maquette.scores.base import Score

_grids: WeakKeyDictionary[Prior, tuple[int, int, int]] = WeakKeyDictionary()


@torch.no_grad()
def grid(prior: Prior) -> tuple[int, int, int]:
    """(C, h, w) of what the prior denoises of each picture, found once by encoding some."""
    if prior not in _grids:
        _, channels, height, width = prior.encode(torch.zeros(prior.views, 8, 8, 3)).shape
        _grids[prior] = (channels, height, width)
    return _grids[prior]


@dataclass(frozen=True)
class Denoiser:
    """A prior seen through a score, with one step's conditions and cameras.

    Args:
        threshold: as in `PullConfig`.
    """

    prior: Prior
    score: Score
    conditions: Mapping[str, Any]
    cameras: Cameras
    threshold: float = 0.0

    def through(self, score: Score) -> Denoiser:
        """The same prior, seen through another score and without a threshold."""
        return replace(self, score=score, threshold=0.0)

    def predictions(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], also: frozenset[str] = frozenset()
    ) -> dict[str, Tensor]:
        """The noise under each condition that the score needs, and under those of `also`."""
        needed = {name: self.conditions[name] for name in sorted(self.score.needs | also)}
        return self.prior.predict(noisy, t, needed, self.cameras)

    def combine(
        self,
        predictions: Mapping[str, Float[Tensor, "B C h w"]],
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        known: Float[Tensor, "B C h w"] | None = None,
    ) -> Float[Tensor, "B C h w"]:
        """One noise prediction. To a score that gives a direction, the `known` noise in `noisy` is added."""
        share = t[:, None, None, None] / len(self.prior.alphas_cumprod)
        noise = self.score.combine_at(predictions, share, self.cameras)
        if self.score.noise_free:
            assert known is not None, "a direction needs the noise it starts from"
            noise = noise + known
        if self.threshold > 0:
            noise = threshold_noise(noise, noisy, *self.prior.levels(t), self.threshold)
        return noise

    def noise(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        known: Float[Tensor, "B C h w"] | None = None,
    ) -> Float[Tensor, "B C h w"]:
        """The guided noise prediction e_hat."""
        return self.combine(self.predictions(noisy, t), noisy, t, known)


def threshold_noise(
    noise: Float[Tensor, "B C h w"], noisy: Float[Tensor, "B C h w"], alpha: Tensor, sigma: Tensor, limit: float
) -> Float[Tensor, "B C h w"]:
    """The noise prediction whose implied clean picture (z - sigma e) / alpha is cut to [-limit, limit]."""
    clean = ((noisy - sigma * noise) / alpha).clamp(-limit, limit)
    return (noisy - alpha * clean) / sigma

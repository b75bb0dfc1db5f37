"""The denoiser of one step: a prior with a score, conditions and cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.diffusion.noise import NoiseSchedule
from maquette.priors.base import Prior
from maquette.scores.base import Score


@dataclass(frozen=True)
class Denoiser:
    """Predicts the guided noise by a prior and a score, under the conditions and cameras of one step.

    Args:
        prior: predicts the noise under each condition.
        score: combines these predictions.
        conditions: of the step's pictures, by name.
        cameras: those of the step's pictures.
        threshold: largest |z_0| that the guided prediction may imply (static thresholding); 0: any.
    """

    prior: Prior
    score: Score
    conditions: Mapping[str, Any]
    cameras: Cameras
    threshold: float = 0.0

    @property
    def noise_schedule(self) -> NoiseSchedule:
        """The prior's noise process."""
        return self.prior.noise_schedule

    def with_score(self, score: Score) -> Denoiser:
        """The same prior with another score and without a threshold."""
        return replace(self, score=score, threshold=0.0)

    def with_conditions(self, conditions: Mapping[str, Any]) -> Denoiser:
        """The same prior and score under other conditions."""
        return replace(self, conditions=conditions)

    def thresholded(self, threshold: float) -> Denoiser:
        """The same prior and score with this threshold."""
        return replace(self, threshold=threshold)

    def predictions(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], also: frozenset[str] = frozenset()
    ) -> dict[str, Tensor]:
        """Noise predictions under each condition that the score needs, and under those in `also`."""
        needed = {name: self.conditions[name] for name in sorted(self.score.conditions | also)}
        return self.prior.predict(noisy, t, needed, self.cameras)

    def combine(
        self,
        predictions: Mapping[str, Float[Tensor, "B C h w"]],
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        added_noise: Float[Tensor, "B C h w"] | None = None,
    ) -> Float[Tensor, "B C h w"]:
        """One noise prediction from those by condition.

        Args:
            predictions: by name of the condition.
            noisy: z_t.
            t: timesteps.
            added_noise: the noise in `noisy`; it is added to the direction of a score that gives one.
        """
        fraction = t[:, None, None, None] / self.noise_schedule.timesteps
        noise = self.score.combine_at(predictions, fraction, self.cameras)
        if not self.score.predicts_noise:
            assert added_noise is not None, "a score that gives a direction needs added_noise"
            noise = noise + added_noise
        if self.threshold > 0:
            noise = threshold_noise(noise, noisy, *self.noise_schedule.alpha_sigma(t), self.threshold)
        return noise

    def noise(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        added_noise: Float[Tensor, "B C h w"] | None = None,
    ) -> Float[Tensor, "B C h w"]:
        """The guided noise prediction e_hat."""
        return self.combine(self.predictions(noisy, t), noisy, t, added_noise)


def threshold_noise(
    noise: Float[Tensor, "B C h w"], noisy: Float[Tensor, "B C h w"], alpha: Tensor, sigma: Tensor, limit: float
) -> Float[Tensor, "B C h w"]:
    """The noise prediction after clamping its clean picture (z - sigma e) / alpha to [-limit, limit]."""
    clean = ((noisy - sigma * noise) / alpha).clamp(-limit, limit)
    return (noisy - alpha * clean) / sigma

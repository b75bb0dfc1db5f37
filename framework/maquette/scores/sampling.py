"""Sampling of pictures from a prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import Count, NonNegative
from maquette.cameras.base import Cameras
from maquette.diffusion.noise import NoiseSchedule
from maquette.diffusion.samplers import SamplerName, sample_from_noise
from maquette.priors.base import Prior, Request
from maquette.randomness import Draws
from maquette.scores.base import Score
from maquette.scores.denoiser import Denoiser

RGB = 3  # channels of what a prior without an autoencoder denoises


@dataclass(frozen=True)
class Sampling:
    """How pictures are sampled from a prior."""

    sampler: SamplerName = "ddim"
    steps: Count = 25  # denoising steps
    threshold: NonNegative | None = None  # largest |z_0| of a prediction; 0: any; none: 1 for pixels, 0 for latents

    def threshold_of(self, prior: Prior) -> float:
        """The threshold for a prior; pixels lie in [-1, 1]."""
        if self.threshold is not None:
            return self.threshold
        return 1.0 if denoises_pixels(prior) else 0.0


def denoises_pixels(prior: Prior) -> bool:
    """Whether a prior denoises pixels, and no latents."""
    return prior.latent_shape[0] == RGB


@torch.no_grad()
def sample_views(
    prior: Prior,
    request: Request,
    cameras: Cameras,
    score: Score,
    steps: int,
    draws: Draws,
    threshold: float = 0.0,
    sampler: SamplerName = "ddim",
    batch: int = 0,
    after_step: Callable[[], None] = lambda: None,
) -> Float[Tensor, "B H W 3"]:
    """Sample pictures of a request from some cameras.

    Args:
        prior: any; a multi-view prior samples its views together.
        request: prompt and references.
        cameras: B, as the prior takes them.
        score: gives a noise prediction, not a direction.
        steps: number of steps.
        draws: for the initial noise, and for the noise that ancestral steps add.
        threshold: largest |z_0| that a guided prediction may imply; 0: any. 1 suits pixel-space models.
        sampler: name of the sampler.
        batch: number of pictures that are denoised and decoded at a time, a multiple of a multi-view prior's views; it
            changes no result; 0: all.
        after_step: called after each step.

    Returns:
        Pictures in [0, 1] at the prior's size.
    """
    if not score.predicts_noise:
        raise ValueError("sampling takes a noise prediction, and this score is a direction")
    conditions, size = prior.condition(request), batch or len(cameras)
    parts = [cameras[start : start + size] for start in range(0, len(cameras), size)]
    denoisers = [Denoiser(prior, score, conditions.at(part), part, threshold) for part in parts]
    noise = draws.normal("sample", len(cameras), *prior.latent_shape).to(prior.device)
    clean = sample_from_noise(sampler, _InBatches(denoisers, after_step), noise, steps, draws)
    return torch.cat([prior.decode(part) for part in clean.split(size)])


@dataclass(frozen=True)
class _InBatches:
    """The noise predictions of consecutive batches, one denoiser for each."""

    denoisers: list[Denoiser]
    after_step: Callable[[], None]

    @property
    def noise_schedule(self) -> NoiseSchedule:
        return self.denoisers[0].noise_schedule

    def noise(self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"]) -> Float[Tensor, "B C h w"]:
        counts = [len(denoiser.cameras) for denoiser in self.denoisers]
        batches = zip(self.denoisers, noisy.split(counts), t.split(counts), strict=True)
        prediction = torch.cat([denoiser.noise(part, part_t) for denoiser, part, part_t in batches])
        self.after_step()
        return prediction

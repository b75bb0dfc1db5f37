"""Sampling of pictures from a prior by DDIM."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.diffusion.ddim import sample
from maquette.priors.base import Prior, Request
from maquette.randomness import Draws
from maquette.scores.base import Score
from maquette.scores.denoiser import Denoiser


@torch.no_grad()
def sample_views(
    prior: Prior, request: Request, cameras: Cameras, score: Score, steps: int, draws: Draws, threshold: float = 0.0
) -> Float[Tensor, "B H W 3"]:
    """Sample pictures of a request from some cameras, by deterministic DDIM steps from the last timestep.

    Args:
        prior: any; a multi-view prior samples its views together.
        request: prompt and references.
        cameras: B, as the prior takes them.
        score: gives a noise prediction, not a direction.
        steps: number of DDIM steps.
        draws: for the initial noise.
        threshold: largest |z_0| that a guided prediction may imply; 0: any. 1 suits pixel-space models.

    Returns:
        Pictures in [0, 1] at the prior's size.
    """
    if not score.predicts_noise:
        raise ValueError("sampling takes a noise prediction, and this score is a direction")
    denoiser = Denoiser(prior, score, prior.condition(request).at(cameras), cameras, threshold)
    noise = draws.normal("sample", len(cameras), *prior.latent_shape).to(prior.device)
    return prior.decode(sample(denoiser, noise, prior.noise_schedule.timesteps - 1, steps))

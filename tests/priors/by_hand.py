"""Denoising written out, to hold priors to the pipelines of diffusers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.diffusion.ddim import ddim_step
from maquette.priors.base import Prior
from maquette.scores.base import Score


def with_ddim(pipeline: Any) -> Any:
    """A pipeline that samples by DDIM from the last timestep to a clean picture, quietly."""
    from diffusers import DDIMScheduler

    settings = {**pipeline.scheduler.config, "timestep_spacing": "trailing", "set_alpha_to_one": True}
    settings |= {"clip_sample": False, "thresholding": False}
    pipeline.scheduler = DDIMScheduler.from_config(settings)
    pipeline.scheduler.register_to_config(variance_type="fixed_small")  # no use for a learned one
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def denoised(
    prior: Prior, score: Score, conditions: dict[str, Any], cameras: Cameras, noisy: Tensor, timesteps: Tensor
) -> Tensor:
    """What the guided prior makes of noise by these steps of DDIM."""
    steps = [t.view(1) for t in timesteps]
    levels = [prior.noise_schedule.alpha_sigma(t) for t in steps] + [(torch.ones(()), torch.zeros(()))]
    for t, (start, end) in zip(steps, pairwise(levels), strict=True):
        noisy = ddim_step(noisy, score.combine(prior.predict(noisy, t, conditions, cameras)), start, end)
    return noisy


def assert_same(found: Tensor, wanted: Tensor) -> None:
    """Equal to 1e-5 of the largest value: random weights make guided samples grow far beyond 1, and rounding too."""
    largest = wanted.abs().max()
    torch.testing.assert_close(found / largest, wanted / largest, rtol=0, atol=1e-5)

"""Samplers: from noise to a clean picture, by DDIM or by the schedulers of diffusers."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.diffusion import ddim
from maquette.diffusion.ddim import NoisePredictor
from maquette.diffusion.noise import NoiseSchedule
from maquette.randomness import Draws

SamplerName = Literal["ddim", "euler-ancestral", "dpm-solver++"]
"""Names of samplers: deterministic DDIM steps; Euler steps that add noise anew; the deterministic multistep solver of
second order, which needs the fewest steps.

Source: Song et al. 2020 (arXiv 2010.02502); Karras et al. 2022 (arXiv 2206.00364) and k-diffusion's
`sample_euler_ancestral`; Lu et al. 2022 (DPM-Solver++, arXiv 2211.01095).
"""


@torch.no_grad()
def sample_from_noise(
    sampler: SamplerName, denoiser: NoisePredictor, noise: Float[Tensor, "B C h w"], steps: int, draws: Draws
) -> Float[Tensor, "B C h w"]:
    """The clean picture after `steps` even steps from the last timestep, each with one noise prediction.

    The first step is at the last timestep T - 1, as schedules without signal there need it (Lin et al. 2023, arXiv
    2305.08891, sec. 3.3). More steps than timesteps are as many as timesteps.

    Args:
        sampler: name of the sampler.
        denoiser: predicts the noise.
        noise: standard normal, z at the last timestep.
        steps: number of steps.
        draws: for the noise that ancestral steps add.
    """
    schedule = denoiser.noise_schedule
    if sampler == "ddim":
        return ddim.sample(denoiser, noise, schedule.timesteps - 1, steps)
    scheduler = _scheduler(sampler, schedule, min(steps, schedule.timesteps))
    sample = noise * scheduler.init_noise_sigma
    for i, t in enumerate(scheduler.timesteps):
        noisy = scheduler.scale_model_input(sample, t)
        epsilon = denoiser.noise(noisy, t.long().to(noise.device).expand(len(noise)))
        sample = scheduler.step(epsilon, t, sample, generator=draws.generator(f"step {i}")).prev_sample
    return sample


def _scheduler(sampler: SamplerName, schedule: NoiseSchedule, steps: int) -> Any:
    """diffusers' scheduler with the alphas of a schedule, for a number of steps by noise predictions."""
    from diffusers import DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler

    alpha, _ = schedule.alpha_sigma(torch.arange(schedule.timesteps))
    alphas_cumprod = alpha.flatten().double().cpu().square()
    betas = 1 - alphas_cumprod / torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod[:-1]])
    settings: dict[str, Any] = {
        "num_train_timesteps": schedule.timesteps, "trained_betas": betas.tolist(), "prediction_type": "epsilon",
        "timestep_spacing": "trailing",
    }  # fmt: skip
    if sampler == "dpm-solver++":
        scheduler: Any = DPMSolverMultistepScheduler(**settings, algorithm_type="dpmsolver++")
    else:
        scheduler = EulerAncestralDiscreteScheduler(**settings)
    scheduler.alphas_cumprod = alphas_cumprod.float()  # products of 1 - beta are coarse where hardly any signal is left
    scheduler.set_timesteps(steps)
    valid = scheduler.timesteps >= 0  # diffusers adds a step at timestep -1 for some numbers of steps, such as 61
    scheduler.timesteps = scheduler.timesteps[valid]
    scheduler.sigmas = torch.cat([scheduler.sigmas[:-1][valid], scheduler.sigmas[-1:]])
    return scheduler

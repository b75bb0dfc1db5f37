"""Half precision against float32: the gradient that a picture gets from Stable Diffusion."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from gpu_blocks import models
from gpu_blocks.record import Findings, Setting
from maquette import registry
from maquette.cameras.base import orbit_cameras
from maquette.priors.base import Prior, Request
from maquette.randomness import Draws


def half_and_full(setting: Setting, findings: Findings) -> None:
    """The same picture, noise and timesteps under both: how alike the gradients are, and whether all are finite."""
    count = setting.pick(200, 4)
    narrow = "float16" if setting.cuda else "bfloat16"
    full, half = (_gradients(setting, dtype, count) for dtype in ("float32", narrow))
    alike = cosine_similarity(full.flatten(1).double(), half.flatten(1).double())
    findings.note("type", narrow)
    findings.agree("least cosine of the gradients", float(alike.min()), at_least=setting.pick(0.999, 0.95))
    findings.agree("share of finite gradients", float(half.isfinite().all(dim=(1, 2, 3)).float().mean()), at_least=1)


def _gradients(setting: Setting, dtype: str, count: int) -> Tensor:
    """Gradients [count, H, W, 3], on the CPU, of score distillation at as many timesteps."""
    cls, size = registry.get("prior", "stable-diffusion"), setting.pick(512, 32)
    path = str(models.stable_diffusion(setting))
    prior: Prior = cls(cls.Config(path=path, dtype=dtype, device=str(setting.device), size=size))
    one = torch.ones(1)
    cameras = orbit_cameras(30 * one, 20 * one, 3 * one, 40 * one, size)
    conditions = prior.condition(Request("a red mug")).at(cameras)
    rgb = Draws(0, 0).uniform("picture", 1, size, size, 3).to(setting.device).requires_grad_()
    gradients = []
    for number in range(count):
        t = torch.tensor([20 + (960 * number) // count], device=setting.device)
        latents = prior.encode(rgb)
        alpha, sigma = prior.noise_schedule.alpha_sigma(t)
        noise = Draws(0, number).normal("noise", *latents.shape).to(latents)
        guidance_conditions = {name: conditions[name] for name in ("positive", "unconditional")}
        predictions = prior.predict((alpha * latents + sigma * noise).detach(), t, guidance_conditions, cameras)
        guided = predictions["unconditional"] + 7.5 * (predictions["positive"] - predictions["unconditional"])
        (gradient,) = torch.autograd.grad(latents, rgb, sigma.square() * (guided - noise))
        gradients.append(gradient[0].float().cpu())
    return torch.stack(gradients)

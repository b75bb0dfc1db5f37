"""Distortion loss of Mip-NeRF 360: compact density along a ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from maquette.config.capabilities import RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.kernels.compositing import distortion
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "distortion")
class Distortion(Loss):
    """Distortion loss: mean over rays of sum w_i w_j |t_i - t_j| + 1/3 sum w_i^2 delta_i, t and delta in scene units.

    Source: Barron et al. 2022 (Mip-NeRF 360, arXiv 2111.12077), eq. 15.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1e-2)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_SAMPLES)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        samples = rendering.samples
        assert samples is not None and samples.deltas is not None
        rays = torch.arange(samples.rays + 1, device=samples.ray_index.device)
        ray_start = torch.searchsorted(samples.ray_index, rays)
        return distortion(samples.weights, samples.t, samples.deltas, ray_start).mean()

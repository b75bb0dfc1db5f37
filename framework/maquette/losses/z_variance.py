"""Variance of depth along a ray (HiFA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.kernels.compositing import accumulate
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "z-variance")
class ZVariance(Loss):
    """Z-variance: mean over opaque pixels (A > 1/2) of the weighted variance of depth along the ray.

    Source: Wang et al. 2023 (ProlificDreamer, arXiv 2305.16213), app.; HiFA (arXiv 2305.18766), sec. 3.3.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1e-2)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_SAMPLES)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        samples = rendering.samples
        assert samples is not None
        depth, opacity = rendering.depth.reshape(-1), rendering.opacity.reshape(-1)
        squared_distance = (samples.t - depth[samples.ray_index]).square()
        variance = accumulate(samples.weights, squared_distance[:, None], samples.ray_index, samples.rays)[:, 0]
        opaque = (opacity > 0.5).float().detach()
        return (variance / opacity.clamp(min=1e-5) * opaque).sum() / opaque.sum().clamp(min=1)

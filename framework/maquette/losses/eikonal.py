"""Eikonal loss: unit gradients of a signed distance field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import GEOMETRY_SDF, RENDERED_NORMAL, RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss, differentiable_zero
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "eikonal")
class Eikonal(Loss):
    """Eikonal loss: mean (|grad s| - 1)^2 of the signed distance s over the samples of a rendering.

    Source: Gropp et al. 2020 (IGR, arXiv 2002.10099), eq. 2.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.1)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_SAMPLES, RENDERED_NORMAL, GEOMETRY_SDF)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        samples = rendering.samples
        assert samples is not None and samples.gradients is not None
        if not len(samples.gradients):
            return differentiable_zero(samples.weights)
        return (samples.gradients.norm(dim=-1) - 1).square().mean()

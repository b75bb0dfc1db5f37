"""Normal smoothness in 3D: difference of normals at jittered sample points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from maquette.annotations import Count, Positive
from maquette.config.capabilities import RENDERED_NORMAL, RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Probe, RenderContext, differentiable_zero
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "normal-smoothness-3d")
class NormalSmoothness3D(Probe):
    """3D normal smoothness: sum_i sg(w_i) |n(x_i) - n(x_i + d_i)|_1 / (3 sum_i sg(w_i)) over samples x_i.

    The jitter d_i is Gaussian with standard deviation `jitter`. Samples are weighted by their compositing weights w_i,
    without gradient; peers weight all samples alike.

    Source: the 3D normal smoothness of stable-dreamfusion's code, with the jitter there; also in threestudio's systems
    for images.
    """

    exempt: ClassVar = {"differences": "weights and points carry no gradient"}

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.016)  # the ratio to `rgb` of threestudio's zero123: 8 to 500
        jitter: Positive = 0.01  # standard deviation, scene units
        samples: Count = 8192  # largest number of samples, evenly picked: each costs one more normal. Peers take all

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_SAMPLES, RENDERED_NORMAL)

    def __call__(self, rendering: Rendering, context: RenderContext) -> Tensor:
        samples = rendering.samples
        assert samples is not None and samples.points is not None and samples.normals is not None
        stride = max(1, math.ceil(len(samples.points) / self.config.samples))
        points, weights = samples.points[::stride].detach(), samples.weights[::stride].detach()
        if not len(points):
            return differentiable_zero(samples.weights)
        offset = self.config.jitter * context.draws.normal("jitter", *points.shape).to(points)
        bound = context.geometry.bound
        jittered_normals = context.geometry.query((points + offset).clamp(-bound, bound), normals=True).normal
        change = (samples.normals[::stride] - jittered_normals).abs().mean(-1)
        return (weights * change).sum() / weights.sum().clamp(min=1e-8)

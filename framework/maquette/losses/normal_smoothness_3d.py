"""Normals should change little from point to point."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from maquette.config.capabilities import RENDERED_NORMAL, RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Probe, Surroundings, zero_of
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "normal-smoothness-3d")
class NormalSmoothness3D(Probe):
    """sum_i sg(w_i) |n(x_i) - n(x_i + d_i)|_1 / (3 sum_i sg(w_i)) over samples x_i, d_i normal with deviation `jitter`.

    The stopped compositing weights w_i count a normal as much as it is seen; peers count all samples alike.

    Source: the 3D normal smoothness of stable-dreamfusion's code, with the jitter there; also in threestudio's systems
    for images.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.016)  # as 8 beside rgb of 500, which is threestudio's zero123
        jitter: float = 0.01  # scene units
        samples: int = 8192  # at most so many, evenly picked, as each asks for another normal; of peers, all

        def __post_init__(self) -> None:
            if self.jitter <= 0 or self.samples < 1:
                raise ValueError("normal-smoothness-3d needs a jitter > 0 and looks at one sample at least")

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_SAMPLES, RENDERED_NORMAL)

    def __call__(self, rendering: Rendering, around: Surroundings) -> Tensor:
        samples = rendering.samples
        assert samples is not None and samples.points is not None and samples.normals is not None
        stride = max(1, math.ceil(len(samples.points) / self.config.samples))
        points, weights = samples.points[::stride].detach(), samples.weights[::stride].detach()
        if not len(points):
            return zero_of(samples.weights)
        offset = self.config.jitter * around.draws.normal("jitter", *points.shape).to(points)
        bound = around.geometry.bound
        beside = around.geometry.query((points + offset).clamp(-bound, bound), normals=True).normal
        change = (samples.normals[::stride] - beside).abs().mean(-1)
        return (weights * change).sum() / weights.sum().clamp(min=1e-8)

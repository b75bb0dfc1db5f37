"""A surface should not bend more than it must."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import GEOMETRY_LAPLACIAN, GEOMETRY_SDF, RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss, zero_of
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "curvature")
class Curvature(Loss):
    """mean |laplacian s| over the samples of a rendering; of a distance, it is the sum of the principal curvatures.

    The Laplacian comes from finite differences, as far apart as those of the geometry's gradient.

    Source: Li et al. 2023 (Neuralangelo, arXiv 2306.03092), eq. 8. w_curv is 5e-4 there, faded in, for differences that
    start coarser than ours, and shrinks with them; at the default step of `sdf-grid`, 5e-4 keeps a shape from forming.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(5e-5)
        samples: int = 8192  # at most so many, evenly picked, as each costs seven distances; N in the paper is all

        def __post_init__(self) -> None:
            if self.samples < 1:
                raise ValueError(f"curvature looks at one sample at least, not {self.samples}")

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_SAMPLES, GEOMETRY_SDF, GEOMETRY_LAPLACIAN)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        samples = rendering.samples
        assert samples is not None and samples.points is not None
        stride = max(1, math.ceil(len(samples.points) / self.config.samples))
        points = samples.points[::stride]
        if not len(points):
            return zero_of(samples.weights)
        return geometry.laplacian(points).abs().mean()

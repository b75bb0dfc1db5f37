"""Curvature regularisation of a signed distance field (Neuralangelo)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.annotations import Count
from maquette.config.capabilities import GEOMETRY_LAPLACIAN, GEOMETRY_SDF, RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss, differentiable_zero
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "curvature")
class Curvature(Loss):
    """Curvature regularisation: mean |laplacian s| of the signed distance s over the samples of a rendering.

    For an exact distance the Laplacian is the sum of the principal curvatures. It comes from finite differences with
    the step of the geometry's gradient.

    Source: Li et al. 2023 (Neuralangelo, arXiv 2306.03092), eq. 8. w_curv is 5e-4 there, faded in, for differences that
    start coarser than ours, and shrinks with them; at the default step of `sdf-grid`, 5e-4 keeps a shape from forming.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(5e-5)
        samples: Count = (
            8192  # largest number of samples, evenly picked: each costs seven queries. The paper's N is all
        )

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
            return differentiable_zero(samples.weights)
        return geometry.laplacian(points).abs().mean()

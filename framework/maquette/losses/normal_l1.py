"""Normal loss: absolute difference of rendered and target normals."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from maquette.config.capabilities import RENDERED_NORMAL, TARGET_NORMAL, Capabilities
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses.base import Comparison
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "normal-l1")
class NormalL1Loss(Comparison):
    """L1 normal loss: |n - n^|_1 between rendered and target normals, averaged over the pixels with a target normal.

    Unlike the cosine of the loss `normal`, it forgives the outliers of an estimator. Pixels whose target normal is zero
    have no say.

    Source: MonoSDF (Yu et al. 2022, arXiv 2206.00665), eq. 11, first term.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_NORMAL, TARGET_NORMAL)

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        assert rendering.normal is not None and target.normal is not None
        counted = target.normal.abs().sum(-1, keepdim=True) > 0
        difference = (rendering.normal - target.normal).abs() * counted
        return difference.sum() / counted.sum().clamp(min=1)

"""Total variation of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import GEOMETRY_TOTAL_VARIATION, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "total-variation")
class TotalVariation(Loss):
    """Total variation, as the geometry defines it; voxel-grid, tensorf and a mesh with `colors: tensorf` do."""

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1e-1)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(GEOMETRY_TOTAL_VARIATION)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        return geometry.total_variation()

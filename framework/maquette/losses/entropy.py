"""Binary entropy of the rendered opacity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "entropy")
class Entropy(Loss):
    """Opacity entropy: mean binary entropy of the opacity A, clamped to [1e-3, 1 - 1e-3] ("opaque" in threestudio)."""

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1e-3)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        a = rendering.opacity.clamp(1e-3, 1 - 1e-3)
        return -(a * a.log() + (1 - a) * (1 - a).log()).mean()

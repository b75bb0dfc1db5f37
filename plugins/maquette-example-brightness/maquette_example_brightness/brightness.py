"""Brightness: the mean of 1 - rgb over all pixels, so that dark renderings cost more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "brightness")
class Brightness(Loss):
    """Brightness: the mean of 1 - rgb over all pixels, so that dark renderings cost more."""

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        return (1 - rendering.rgb).mean()

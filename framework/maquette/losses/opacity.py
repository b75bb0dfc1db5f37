"""Opacity sparsity of DreamFusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "opacity")
class Opacity(Loss):
    """Opacity sparsity: mean sqrt(A^2 + 0.01) of the opacity A.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), app. A.2.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1e-3)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        return (rendering.opacity.square() + 0.01).sqrt().mean()

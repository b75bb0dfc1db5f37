"""Normal smoothness in image space: total variation of the rendered normals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import RENDERED_NORMAL, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "normal-smoothness")
class NormalSmoothness(Loss):
    """2D normal smoothness: mean squared difference of rendered normals between neighbouring pixels, down and right.

    Source: the 2D normal smoothness of Magic123 (Qian et al. 2023, arXiv 2306.17843), eq. 4.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.5)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_NORMAL)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        normal = rendering.normal
        assert normal is not None
        return normal.diff(dim=1).square().mean() + normal.diff(dim=2).square().mean()

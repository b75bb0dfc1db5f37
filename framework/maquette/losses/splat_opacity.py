"""Opacity regularisation of Gaussians (3DGS-MCMC): Gaussians that no image needs fade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import Capabilities, form
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "splat-opacity")
class SplatOpacity(Loss):
    """Gaussian opacity regularisation: mean opacity of the Gaussians, in [0, 1].

    Source: Kheradmand et al. 2024 (3DGS-MCMC, arXiv 2404.09591), sec. 3.4; the weight is the paper's lambda_o.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.01)  # lambda_o

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(form("splats"))

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        return geometry.splats().opacities.mean()

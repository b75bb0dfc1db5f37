"""Scale regularisation of Gaussians (3DGS-MCMC): Gaussians that no image needs shrink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.config.capabilities import Capabilities, form
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "splat-scale")
class SplatScale(Loss):
    """Gaussian scale regularisation: mean standard deviation over Gaussians and axes, scene units; disks have two axes.

    Source: Kheradmand et al. 2024 (3DGS-MCMC, arXiv 2404.09591), sec. 3.4: the roots of the eigenvalues of the
    covariance; the weight is the paper's lambda_Sigma.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.01)  # lambda_Sigma

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(form("splats"))

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        cloud = geometry.splats()
        return cloud.scales[:, : 2 if cloud.flat else 3].mean()

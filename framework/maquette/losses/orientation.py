"""Orientation loss of Ref-NeRF: visible normals face the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from maquette.config.capabilities import RENDERED_NORMAL, RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "orientation")
class Orientation(Loss):
    """Orientation loss: sum_i sg(w_i) max(0, n_i . v)^2 per ray, averaged over rays; v points away from the camera.

    Source: Verbin et al. 2022 (Ref-NeRF, arXiv 2112.03907), eq. 11; stopped weights: DreamFusion, app. A.2.
    """

    exempt: ClassVar = {"differences": "the weights carry no gradient (Ref-NeRF, eq. 11)"}

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule(((0, 1e-4), ("33%", 1e-2)))  # DreamFusion's ramp

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_SAMPLES, RENDERED_NORMAL)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        samples = rendering.samples
        assert samples is not None and samples.normals is not None
        facing_away = (samples.normals * samples.directions).sum(-1).clamp(min=0)
        return (samples.weights.detach() * facing_away.square()).sum() / samples.rays

"""Normal loss: cosine distance of rendered and target normals."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from maquette.config.capabilities import RENDERED_NORMAL, TARGET_NORMAL, Capabilities
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses.base import Comparison
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "normal")
class NormalLoss(Comparison):
    """Normal loss: 1 - cosine between rendered and target normals, averaged over the target's opaque pixels.

    Source: as in threestudio's image-conditioned systems and MonoSDF (Yu et al. 2022, arXiv 2206.00665), eq. 11.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_NORMAL, TARGET_NORMAL)

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        assert rendering.normal is not None and target.normal is not None
        cosine = (rendering.normal * target.normal).sum(-1, keepdim=True)
        alpha = target.picture.alpha
        return ((1 - cosine) * alpha).sum() / alpha.sum().clamp(min=1)

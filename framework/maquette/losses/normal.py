"""Normals as they are known to be."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses.base import Comparison
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "normal")
class NormalLoss(Comparison):
    """1 - cosine between the rendered normal and the target's, averaged over the target's opaque pixels.

    Source: as in threestudio's image-conditioned systems and MonoSDF (Yu et al. 2022, arXiv 2206.00665), eq. 11.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    needs = frozenset({"normal"})
    wants = frozenset({"normal"})

    def __init__(self, config: Config) -> None:
        self.weight = config.weight

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        assert rendering.normal is not None and target.normal is not None
        cosine = (rendering.normal * target.normal).sum(-1, keepdim=True)
        return ((1 - cosine) * target.opacity).sum() / target.opacity.sum().clamp(min=1)

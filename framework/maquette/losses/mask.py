"""Mask loss: squared difference of opacity and silhouette."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses.base import Comparison
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "mask")
class MaskLoss(Comparison):
    """Mask loss: mean squared difference between the rendered opacity and the target's alpha.

    Source: as in Magic123 (Qian et al. 2023, arXiv 2306.17843), eq. 1, second term.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        return functional.mse_loss(rendering.opacity, target.picture.alpha)

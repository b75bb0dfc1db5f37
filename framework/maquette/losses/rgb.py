"""Photometric loss: L2, L1 or Huber difference of rendering and target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional

from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses.base import Comparison
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "rgb")
class RgbLoss(Comparison):
    """Photometric loss: mean difference of colours, with the target composited over the rendering's background.

    "l2": squares, as in NeRF (Mildenhall et al. 2020, arXiv 2003.08934, eq. 6); "l1": absolute values, as in 3DGS
    (Kerbl et al. 2023, arXiv 2308.04079, eq. 7); "huber": squares below a difference of 0.1 and absolute values above.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)
        metric: Literal["l2", "l1", "huber"] = "l2"  # difference of colours

    config: Config

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        reference = target.picture.over(rendering.background)
        if self.config.metric == "l2":
            return functional.mse_loss(rendering.rgb, reference)
        if self.config.metric == "l1":
            return functional.l1_loss(rendering.rgb, reference)
        return functional.smooth_l1_loss(rendering.rgb, reference, beta=0.1)

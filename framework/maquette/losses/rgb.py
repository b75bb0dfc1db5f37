"""Colours as they are known to be."""

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
    """Mean difference of colours, the target laid over the background that the rendering has.

    "l2": squares, as NeRF (Mildenhall et al. 2020, arXiv 2003.08934, eq. 6); "l1": absolute values, as 3DGS (Kerbl et
    al. 2023, arXiv 2308.04079, eq. 7); "huber": squares below a difference of 0.1 and absolute values above.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)
        metric: Literal["l2", "l1", "huber"] = "l2"

    config: Config

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        wanted = target.picture.over(rendering.background)
        if self.config.metric == "l2":
            return functional.mse_loss(rendering.rgb, wanted)
        if self.config.metric == "l1":
            return functional.l1_loss(rendering.rgb, wanted)
        return functional.smooth_l1_loss(rendering.rgb, wanted, beta=0.1)

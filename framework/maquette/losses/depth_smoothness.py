"""Depth smoothness: total variation of the rendered depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.annotations import Positive
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "depth-smoothness")
class DepthSmoothness(Loss):
    """Depth smoothness: (mean |D_x| + mean |D_y|) / 2 over neighbouring pixels of the depth D.

    D is composited over a background at distance `behind`.

    Source: the reconstruction in the code of Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), my3d.py, on which its
    documented command puts 1e4 from half of the steps on; it also smooths the reference view's depth, at a
    tenth of that.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule(((0, 0.0), ("50%", 1e4)), "step")  # as for near-view
        behind: Positive = 10.0  # scene units

    config: Config

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        depth = rendering.depth_over(self.config.behind)
        return (depth.diff(dim=1).abs().mean() + depth.diff(dim=2).abs().mean()) / 2

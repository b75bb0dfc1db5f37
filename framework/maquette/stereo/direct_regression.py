"""The colours of the right view by regression: a baseline of Deep3D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count, WeightsPath
from maquette.kernels.devices import choose_device
from maquette.registry import register
from maquette.stereo.base import Stereo
from maquette.stereo.crops import by_crops
from maquette.stereo.estimates import RightColors
from maquette.stereo.weights import load_stereo_network


@register("stereo", "direct-regression")
class DirectRegression(Stereo):
    """Predicts the colours of the right view without shifts, at the network's resolution: blurred, as a baseline.

    Source: Xie et al. 2016 (Deep3D, arXiv 1604.03650), sec. 5, the network without its selection layer.
    """

    @dataclass(frozen=True)
    class Config:
        weights: WeightsPath  # what the learner `stereo-direct` saved
        batch: Count = 16  # crops per evaluation of the network
        device: Literal["auto", "cpu", "cuda"] = "auto"  # where to compute

    def __init__(self, config: Config) -> None:
        self.config = config
        self._network = load_stereo_network(config.weights, "direct", "stereo.weights").to(choose_device(config.device))

    @torch.no_grad()
    def estimate(self, left: Float[Tensor, "B H W 3"]) -> RightColors:
        frames = left.to(next(self._network.parameters()).device)
        maps = by_crops(self._network, frames, self._network.architecture, self.config.batch)
        return RightColors((maps + 0.5).clamp(0, 1).to(left.device))

"""Deep3D: probabilities of shifts, predicted from the left view."""

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
from maquette.stereo.estimates import RightShifts, ShiftProbabilities
from maquette.stereo.weights import load_stereo_network


@register("stereo", "deep3d")
class Deep3D(Stereo):
    """Predicts the probability of each shift at each pixel of the right view; the left view, shifted, does the rest.

    Frames of any size are resized to the network's, cut into overlapping crops whose probabilities are blended, and
    the result is interpolated to the frame; so colours keep the frame's full resolution.

    `mixture` sums the frame at all shifts with their probabilities, as in the paper; where a column of the network is
    several of the frame, that shows ghosts. `single` shows each pixel at its most probable shift alone, sharp.

    Source: Xie et al. 2016 (Deep3D, arXiv 1604.03650), sec. 3, and its published code for frames of full resolution.
    """

    @dataclass(frozen=True)
    class Config:
        weights: WeightsPath  # what the learner `stereo` saved, or the original's .params file of MXNet
        compose: Literal["mixture", "single"] = "single"  # of shifts; see above
        batch: Count = 16  # crops per evaluation of the network
        device: Literal["auto", "cpu", "cuda"] = "auto"  # where to compute

    def __init__(self, config: Config) -> None:
        self.config = config
        self._network = load_stereo_network(config.weights, "selection", "stereo.weights").to(
            choose_device(config.device)
        )

    @torch.no_grad()
    def estimate(self, left: Float[Tensor, "B H W 3"]) -> ShiftProbabilities | RightShifts:
        architecture = self._network.architecture
        frames = left.to(next(self._network.parameters()).device)
        maps = by_crops(lambda crops: self._network(crops).softmax(1), frames, architecture, self.config.batch)
        shifts = tuple(column / maps.shape[3] for column in architecture.columns)
        mixture = ShiftProbabilities(maps[:, 1:].to(left.device), shifts)
        return mixture if self.config.compose == "mixture" else mixture.most_probable()

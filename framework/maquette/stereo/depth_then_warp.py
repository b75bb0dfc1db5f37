"""Depth from one picture, then a warp: any monocular depth network of transformers makes stereo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Count, Pixels, Range, WeightsPath
from maquette.kernels.devices import choose_device
from maquette.perception.estimator import Estimator
from maquette.perception.network_folder import CONFIG
from maquette.registry import register
from maquette.stereo.base import Stereo
from maquette.stereo.crops import by_crops
from maquette.stereo.estimates import LeftShifts
from maquette.stereo.weights import load_stereo_network
from maquette.weights.loading import weights_source
from maquette.weights.raw_files import read_json

Shift = Annotated[float, Range(-0.5, 0.5)]


@register("stereo", "depth-then-warp")
class DepthThenWarp(Stereo):
    """Moves each pixel of the left view by a shift that follows from its depth, and fills the holes from behind.

    The depth network is any of transformers' classes for depth estimation (DPT, Depth Anything, ZoeDepth ...), or what
    the learner `stereo-depth` saved. Of the former, nearness is relative: in each frame its low and high quantiles are
    mapped to the shifts `far` and `near`. The latter predicts shifts itself.
    """

    @dataclass(frozen=True)
    class Config:
        weights: WeightsPath  # of the depth network: a folder, a hub name, or a plugin's name for it
        near: Shift = -0.02  # shift of near things, fraction of the width; of networks of relative depth
        far: Shift = 0.015  # shift of far things, likewise
        quantile: Annotated[float, Range(0, 0.49)] = (
            0.02  # of nearness, that counts as far; as much at the other end counts as near
        )
        size: Pixels = 256  # side in pixels of the square that frames are estimated at; of transformers' networks
        batch: Count = 16  # crops per evaluation; of the learner's network
        device: Literal["auto", "cpu", "cuda"] = "auto"  # where to compute

    def __init__(self, config: Config) -> None:
        self.config, self._device = config, choose_device(config.device)
        file = Path(weights_source(config.weights)) / CONFIG
        self._network = self._estimator = None
        if file.is_file() and "purpose" in read_json(file, "stereo.weights"):
            self._network = load_stereo_network(config.weights, "depth", "stereo.weights").to(self._device)
        else:
            self._estimator = Estimator(config.weights, "stereo.weights")
            self._estimator.network.to(self._device)

    @torch.no_grad()
    def estimate(self, left: Float[Tensor, "B H W 3"]) -> LeftShifts:
        frames = left.to(self._device)
        if self._network is not None:
            maps = by_crops(self._network, frames, self._network.architecture, self.config.batch)
            return LeftShifts((maps / maps.shape[3]).to(left.device))
        assert self._estimator is not None
        side = (self.config.size, self.config.size)
        square = functional.interpolate(frames.permute(0, 3, 1, 2), side, mode="bilinear", antialias=True).clamp(0, 1)
        nearness = self._estimator.estimate(square.permute(0, 2, 3, 1)).nearness.permute(0, 3, 1, 2)
        return LeftShifts(self._shifts(nearness).to(left.device))

    def _shifts(self, nearness: Float[Tensor, "B 1 h w"]) -> Float[Tensor, "B 1 h w"]:
        ends = torch.tensor([self.config.quantile, 1 - self.config.quantile], device=nearness.device)
        low, high = (end[:, None, None, None] for end in nearness.flatten(1).quantile(ends, dim=1))
        place = ((nearness - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)
        return self.config.far + (self.config.near - self.config.far) * place

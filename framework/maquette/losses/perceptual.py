"""Perceptual distance between a rendering and the target image, in the features of a CLIP image encoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from maquette.annotations import WeightsPath
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses._features import squared_unit_difference
from maquette.losses.base import Comparison
from maquette.perception.image_encoder import ImageEncoder
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "perceptual")
class Perceptual(Comparison):
    """CLIP perceptual distance: |f - f*|^2 averaged over patches and layers of the image encoder, f of unit length.

    This is LPIPS' distance with equal channel weights in another network, so that any CLIP checkpoint serves. Its
    values, in [0, 4], are not those of LPIPS; for these, use the loss `lpips`.

    Source: Zhang et al. 2018 (LPIPS, arXiv 1801.03924), eq. 1.
    """

    @dataclass(frozen=True)
    class Config:
        path: WeightsPath  # CLIP weights: a plugin's name for them, a folder, or a hub name
        weight: Schedule = Schedule.constant(1.0)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._encoder = ImageEncoder.load(config.path)

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        self._encoder.to(rendering.rgb.device)
        features = self._encoder.patches(rendering.rgb)
        reference = self._encoder.patches(target.picture.over(rendering.background).detach())
        layers = [squared_unit_difference(*pair).sum(-1).mean() for pair in zip(features, reference, strict=True)]
        return torch.stack(layers).mean()

"""What is seen as it is known to be, to the eye of an image encoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses._features import unit_difference
from maquette.losses.base import Comparison
from maquette.perception.image_encoder import ImageEncoder
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "perceptual")
class Perceptual(Comparison):
    """|f - f*|^2, averaged over the patches and layers of CLIP's image tower; f of unit length at each patch.

    This is LPIPS' distance with equal weights on all channels, over another network than its own, which any CLIP
    checkpoint brings: its values, in [0, 4], are not those of LPIPS. For these there is the loss `lpips`.

    Source: Zhang et al. 2018 (LPIPS, arXiv 1801.03924), eq. 1.
    """

    @dataclass(frozen=True)
    class Config:
        path: str  # CLIP weights: a plugin's name for them, a folder, or a hub name
        weight: Schedule = Schedule.constant(1.0)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._encoder = ImageEncoder.load(config.path)

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        self._encoder.to(rendering.rgb.device)
        ours = self._encoder.patches(rendering.rgb)
        known = self._encoder.patches(target.picture.over(rendering.background).detach())
        layers = [unit_difference(*pair).sum(-1).mean() for pair in zip(ours, known, strict=True)]
        return torch.stack(layers).mean()

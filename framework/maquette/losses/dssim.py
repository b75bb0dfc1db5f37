"""Structural dissimilarity (D-SSIM) of rendering and target."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses.base import Comparison
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "dssim")
class DSSIM(Comparison):
    """Structural dissimilarity: 1 - SSIM of rendering and target, with a window of 11 pixels.

    Source: Wang et al. 2004; as a loss: Kerbl et al. 2023 (3DGS, arXiv 2308.04079), eq. 7.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.2)

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        from torchmetrics.functional.image import structural_similarity_index_measure

        pictures = (rendering.rgb.permute(0, 3, 1, 2), target.picture.over(rendering.background).permute(0, 3, 1, 2))
        similarity = structural_similarity_index_measure(*pictures, data_range=1.0)
        assert isinstance(similarity, Tensor)
        return 1 - similarity

"""Structural dissimilarity (D-SSIM) of rendering and target."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.kernels.precision import in_float32
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
        return _dissimilarity(rendering.rgb, target.picture.over(rendering.background))


@in_float32  # variances are small differences of large sums
def _dissimilarity(ours: Float[Tensor, "B H W 3"], theirs: Float[Tensor, "B H W 3"]) -> Float[Tensor, ""]:
    from torchmetrics.functional.image import structural_similarity_index_measure

    similarity = structural_similarity_index_measure(
        ours.permute(0, 3, 1, 2), theirs.permute(0, 3, 1, 2), data_range=1.0
    )
    assert isinstance(similarity, Tensor)
    return 1 - similarity

"""Scale-and-shift-invariant depth loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import TARGET_DEPTH, Capabilities
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses.base import Comparison, differentiable_zero
from maquette.registry import register
from maquette.renderers.base import Rendering

LEAST_OPACITY = 0.5  # of target and rendering, for pixels that are compared
LEAST_DEPTH = 1e-3  # depths are clamped to it before the logarithm; a fraction of the largest depth


@register("loss", "depth")
class DepthLoss(Comparison):
    """Scale-and-shift-invariant (or scale-invariant) difference of rendered and target depth, where both are opaque.

    "pearson": (1 - r) / 2 with r the Pearson correlation, and "affine": the mean squared residual after the best scale
    and shift of the target's depth; both for monocular depth estimates. "scale-invariant": the variance of
    log D - log D*, for positive depth that is exact up to scale, such as that of a reconstruction.

    Source: Qian et al. 2023 (Magic123, arXiv 2306.17843), eq. 3; scale and shift: Ranftl et al. 2020 (MiDaS, arXiv
    1907.01341), eq. 5; scale alone: Eigen et al. 2014 (arXiv 1406.2283), eq. 3, which is eq. 4 with lambda = 1.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.01)
        metric: Literal["pearson", "affine", "scale-invariant"] = "pearson"  # what a depth may differ by

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(TARGET_DEPTH)

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        assert target.depth is not None
        visible = (rendering.opacity > LEAST_OPACITY) & (target.picture.alpha > LEAST_OPACITY)
        if int(visible.sum()) < 3:
            return differentiable_zero(rendering.depth)
        if self.config.metric == "scale-invariant":
            return (_log(rendering.depth[visible]) - _log(target.depth[visible])).var(correction=0)
        depth, reference = _centred(rendering.depth[visible]), _centred(target.depth[visible])
        if self.config.metric == "pearson":
            correlation = (depth * reference).sum() / (depth.norm() * reference.norm()).clamp(min=1e-8)
            return (1 - correlation) / 2
        scale = (depth * reference).sum() / reference.square().sum().clamp(min=1e-8)
        return (depth - scale * reference).square().mean()


def _log(depths: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return depths.clamp(min=max(LEAST_DEPTH * float(depths.detach().max()), 1e-12)).log()


def _centred(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return values - values.mean()

"""Depth as it is known up to a scale, or a scale and a shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import TARGET_DEPTH, Capabilities
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.losses.base import Comparison, zero_of
from maquette.registry import register
from maquette.renderers.base import Rendering

LEAST_OPACITY = 0.5  # of target and rendering where depths are compared
LEAST_DEPTH = 1e-3  # whose logarithm is taken, as a share of the largest


@register("loss", "depth")
class DepthLoss(Comparison):
    """How far the rendered depth is from the target's, up to what is not known of that, where both are opaque.

    "pearson": (1 - r) / 2 with r the correlation of both, and "affine": the mean squared residual of the rendered depth
    after the best scale and shift of the target's; both for depth that a network estimated from one picture.
    "scale-invariant": the variance of log D - log D*, for depth of which only the scale is unknown, as out of a
    reconstruction: it is not positive where a shift is missing.

    Source: Qian et al. 2023 (Magic123, arXiv 2306.17843), eq. 3; scale and shift: Ranftl et al. 2020 (MiDaS, arXiv
    1907.01341), eq. 5; scale alone: Eigen et al. 2014 (arXiv 1406.2283), eq. 3, which is eq. 4 with lambda = 1.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.01)
        metric: Literal["pearson", "affine", "scale-invariant"] = "pearson"

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(TARGET_DEPTH)

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        assert target.depth is not None
        seen = (rendering.opacity > LEAST_OPACITY) & (target.picture.alpha > LEAST_OPACITY)
        if int(seen.sum()) < 3:
            return zero_of(rendering.depth)
        if self.config.metric == "scale-invariant":
            return (_log(rendering.depth[seen]) - _log(target.depth[seen])).var(correction=0)
        ours, known = _centred(rendering.depth[seen]), _centred(target.depth[seen])
        if self.config.metric == "pearson":
            correlation = (ours * known).sum() / (ours.norm() * known.norm()).clamp(min=1e-8)
            return (1 - correlation) / 2
        scale = (ours * known).sum() / known.square().sum().clamp(min=1e-8)
        return (ours - scale * known).square().mean()


def _log(depths: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return depths.clamp(min=max(LEAST_DEPTH * float(depths.detach().max()), 1e-12)).log()


def _centred(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return values - values.mean()

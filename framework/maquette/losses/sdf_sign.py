"""SDF sign regularisation of nvdiffrec: few sign changes along grid edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from maquette.config.capabilities import GEOMETRY_SIGN_CHANGES, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss, differentiable_zero
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "sdf-sign")
class SdfSign(Loss):
    """SDF sign regularisation: mean of H(sigma(s_a), s_b > 0) + H(sigma(s_b), s_a > 0) over grid edges (a, b).

    Only edges with a sign change count. H is the cross entropy, sigma the sigmoid, s the signed distance in cells. The
    hidden inside has no other gradient, and fills with floating geometry without this term.

    Source: Munkberg et al. 2022 (nvdiffrec, arXiv 2111.12503), eq. 2.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(0.1)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(GEOMETRY_SIGN_CHANGES)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        ends = geometry.sign_changes()
        if not len(ends):
            return differentiable_zero(ends)
        other = (ends.detach().flip(-1) > 0).to(ends)
        return 2 * binary_cross_entropy_with_logits(ends, other)

"""Emptiness loss of SJC: sparse density along a ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from maquette.annotations import Positive
from maquette.config.capabilities import RENDERED_SAMPLES, Capabilities
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "emptiness")
class Emptiness(Loss):
    """Emptiness loss: sum along a ray of log(1 + k w), averaged over rays; w are the compositing weights.

    The same opacity costs more as fog than as one surface. SJC takes the mean along the ray; its weight is this one
    times the number of samples of a ray.

    Source: Wang et al. 2022 (SJC, arXiv 2212.00774), sec. 4.3; k = 10 in its code.
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)
        scale: Positive = 10.0  # k

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(RENDERED_SAMPLES)

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        samples = rendering.samples
        assert samples is not None
        return torch.log1p(self.config.scale * samples.weights).sum() / samples.rays

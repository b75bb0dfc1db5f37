"""What objectives share that invert the rendering by DDIM under a score of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maquette.config.capabilities import NOISE_PREDICTION, Capabilities
from maquette.objectives.base import GradientObjective
from maquette.scores.base import Score


class InversionObjective(GradientObjective):
    """A gradient objective whose Config has an `inversion`: the score under which the rendering is inverted."""

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        own = super().capabilities(config).needing(*config.inversion.capabilities.needs)
        return replace(own, inner={"inversion": frozenset({NOISE_PREDICTION})})

    def __init__(self, config: Any) -> None:
        self.config = config
        self._inversion: Score = config.inversion.build()

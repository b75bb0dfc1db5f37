"""A weighted sum of predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Score, direction_from, noise_prediction_from


@register("score", "weighted")
class Weighted(Score):
    """sum over c of w_c e_c, for named conditions c of one prior.

    Weights that sum to 1 keep it a noise prediction: {unconditional: 1} is the unconditional prediction, and
    {positive: s, unconditional: 1 - s} is `cfg`. Weights that sum to 0 make it a direction: {positive: 1,
    unconditional: -1} is `csd`. To mix several priors, give a stage several guidance entries, each with a weight.

    Source: classifier score distillation with a negative prompt, w_1 (e_positive - e_empty) - w_2 (e_unconditional -
    e_empty), is of this kind: Yu et al. 2023 (arXiv 2310.19415); so is the bridge from a described source to a
    target: McAllister et al. 2024 (arXiv 2406.09417).
    """

    @dataclass(frozen=True)
    class Config:
        weights: dict[str, float] = field(default_factory=lambda: {"positive": 1.0})  # condition -> w_c

        def __post_init__(self) -> None:
            total = math.fsum(self.weights.values())
            if not any(math.isclose(total, expected, abs_tol=1e-6) for expected in (0.0, 1.0)):
                raise ValueError(f"weights sum to 1 (a noise prediction) or to 0 (a direction), not to {total:g}")
            if not any(self.weights.values()):
                raise ValueError("weights are all 0")

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        conditions = [name for name, weight in config.weights.items() if weight]
        if math.fsum(config.weights.values()) > 0.5:
            return noise_prediction_from(*conditions)
        return direction_from(*conditions)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._weights = {name: weight for name, weight in config.weights.items() if weight}

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        first, *others = (weight * predictions[name] for name, weight in self._weights.items())
        return sum(others, first)

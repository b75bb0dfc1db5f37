"""The positive prediction alone, without guidance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Score, noise_prediction_from


@register("score", "plain")
class Plain(Score):
    """The prediction under the positive condition alone."""

    @dataclass(frozen=True)
    class Config:
        pass

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return noise_prediction_from("positive")

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        return predictions["positive"]

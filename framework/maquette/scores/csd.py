"""Classifier score distillation: the guidance direction without the noise prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Score, direction_from


@register("score", "csd")
class CSD(Score):
    """The direction s (e_positive - e_unconditional), the gradient of log p(text | picture) up to a factor.

    The paper's three terms, with a negative prompt in addition to the empty text, are the score `weighted` with weights
    that sum to 0.

    Source: Yu et al. 2023 (arXiv 2310.19415), "Classifier score distillation".
    """

    @dataclass(frozen=True)
    class Config:
        scale: float = 1.0  # s

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return direction_from("positive", "unconditional")

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        return self.config.scale * (predictions["positive"] - predictions["unconditional"])

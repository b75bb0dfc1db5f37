"""Classifier-free guidance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Base, Score, noise_prediction_from


@register("score", "cfg")
class CFG(Score):
    """e = e_base + s (e_positive - e_unconditional); a negative prompt takes the unconditional's place.

    Two conventions for the scale differ by one: `base: unconditional` (s = 1 is no guidance) and `base: text`
    (DreamFusion's, s = 0 is no guidance); s with `text` equals s + 1 with `unconditional`.

    Source: Ho & Salimans 2022 (arXiv 2207.12598), eq. 6.
    """

    @dataclass(frozen=True)
    class Config:
        scale: float = 7.5  # s
        base: Base = "unconditional"  # prediction that the guidance is added to

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return noise_prediction_from("positive", "unconditional")

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        positive, unconditional = predictions["positive"], predictions["unconditional"]
        base = unconditional if self.config.base == "unconditional" else positive
        return base + self.config.scale * (positive - unconditional)

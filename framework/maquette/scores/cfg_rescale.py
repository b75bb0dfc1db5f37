"""Classifier-free guidance rescaled to the standard deviation of the positive prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Fraction
from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Score
from maquette.scores.cfg import CFG


@register("score", "cfg-rescale")
class CFGRescale(Score):
    """phi e_cfg std(e_positive) / std(e_cfg) + (1 - phi) e_cfg, standard deviations taken over each picture.

    The objective `x0-reconstruction` rescales the clean picture instead, as MVDream does.

    Source: Lin et al. 2023 (arXiv 2305.08891), sec. 3.4.
    """

    @dataclass(frozen=True)
    class Config(CFG.Config):
        rescale: Fraction = 0.7  # phi: 0 is plain guidance

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return CFG.capabilities(config)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._guided, self._rescale = CFG(config), config.rescale

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        guided = self._guided.combine(predictions)
        return rescale_guidance(guided, predictions["positive"], self._rescale)


def rescale_guidance(
    guided: Float[Tensor, "G ..."], positive: Float[Tensor, "G ..."], fraction: float
) -> Float[Tensor, "G ..."]:
    """`guided` rescaled, by `fraction`, towards the standard deviation of `positive`, over all but the first axis."""
    if fraction == 0:
        return guided
    axes = tuple(range(1, guided.ndim))
    factor = positive.std(axes, keepdim=True) / guided.std(axes, keepdim=True).clamp(min=1e-8)
    return guided * (fraction * factor + (1 - fraction))

"""Classifier-free guidance by a text and by a picture, each with its own scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Score, noise_prediction_from


@register("score", "cfg-two")
class CFGTwo(Score):
    """e = e_unconditional + s_I (e_image - e_unconditional) + s_T (e_positive - e_image).

    e_image is told the picture and no text, e_positive both. Both scales count from what they are subtracted from, as
    `base: unconditional` of `cfg`: at s_I = s_T it is `cfg`, and at 1 and 1 no guidance.

    Source: Brooks et al. 2022 (InstructPix2Pix, arXiv 2211.09800), eq. 3.
    """

    @dataclass(frozen=True)
    class Config:
        image_scale: float = 1.5  # s_I
        text_scale: float = 7.5  # s_T

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return noise_prediction_from("positive", "image", "unconditional")

    def combine(self, predictions: Mapping[str, Float[Tensor, "B C h w"]]) -> Float[Tensor, "B C h w"]:
        positive, image, unconditional = (predictions[name] for name in ("positive", "image", "unconditional"))
        c = self.config
        return unconditional + c.image_scale * (image - unconditional) + c.text_scale * (positive - image)

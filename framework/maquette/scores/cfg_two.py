"""Classifier-free guidance with two scales, for a text and for a picture."""

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

    e_image is conditioned on the picture without text, e_positive on both. Scales follow the convention `base:
    unconditional` of `cfg`: with s_I = s_T it equals `cfg`, and 1 and 1 is no guidance.

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

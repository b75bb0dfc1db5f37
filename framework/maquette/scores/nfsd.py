"""Noise-free score distillation: the guidance direction and a domain correction, without the noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Fraction
from maquette.cameras.base import Cameras
from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Score, direction_from


@register("score", "nfsd")
class NFSD(Score):
    """Noise-free score distillation: the direction d_D + s d_C, without the noise.

    d_C = e_positive - e_empty, and

        d_D = e_empty at low noise (t < 0.2 T), and e_empty - e_unconditional above,

    where e_unconditional is the prediction under a negative prompt: the paper's is "unrealistic, blurry, low quality,
    out of focus, ugly, low contrast, dull, dark, low-resolution, gloomy". Without one, d_D is 0 above. The scale
    follows the convention `base: unconditional` of `cfg`.

    Source: Katzir et al. 2023 (arXiv 2310.17590), eq. 6 and 7.
    """

    @dataclass(frozen=True)
    class Config:
        scale: float = 7.5  # s
        split: Fraction = 0.2  # fraction of the timesteps below which d_D is e_empty

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return direction_from("positive", "unconditional", "empty")

    def combine_at(
        self,
        predictions: Mapping[str, Float[Tensor, "B C h w"]],
        fraction: Float[Tensor, "B 1 1 1"],
        cameras: Cameras,
    ) -> Float[Tensor, "B C h w"]:
        empty = predictions["empty"]
        domain = torch.where(fraction < self.config.split, empty, empty - predictions["unconditional"])
        return domain + self.config.scale * (predictions["positive"] - empty)

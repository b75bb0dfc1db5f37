"""CLIP similarity of renderings to the reference image (the semantic consistency of DietNeRF)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import WeightsPath
from maquette.config.capabilities import REFERENCE, Capabilities
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError
from maquette.losses.base import Loss
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.base import Request
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "clip-similarity")
class ClipSimilarity(Loss):
    """CLIP image similarity: 1 - cosine between the embeddings of a rendering, from any camera, and the reference.

    The cosines to several references are averaged with their weights. References are composited over white, and
    renderings should be too.

    Source: the semantic consistency of Jain et al. 2021 (DietNeRF, arXiv 2104.00677).
    """

    @dataclass(frozen=True)
    class Config:
        path: WeightsPath  # CLIP weights: a plugin's name for them, a folder, or a hub name
        weight: Schedule = Schedule.constant(0.1)

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return super().capabilities(config).needing(REFERENCE)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._encoder = ImageEncoder.load(config.path)
        self._references: Float[Tensor, "R D"]
        self._reference_weights: Float[Tensor, " R"]

    def prepare(self, request: Request) -> None:
        """Embed the references. Raises ConfigError when there is none."""
        if not request.references:
            raise ConfigError(
                "loss 'clip-similarity' is about a picture of the object, and there is none", key="data",
                hint="give the stage data: {type: image, path: PICTURE.png}, or name pictures in data.references",
            )  # fmt: skip
        pictures = [reference.picture.over(1.0).float() for reference in request.references]
        self._encoder.to(pictures[0].device)
        self._references = torch.cat([self._embed(picture) for picture in pictures])
        weights = self._references.new_tensor([reference.weight for reference in request.references])
        self._reference_weights = weights / weights.sum()

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        self._encoder.to(rendering.rgb.device)
        references, weights = self._references.to(rendering.rgb), self._reference_weights.to(rendering.rgb)
        return 1 - (self._embed(rendering.rgb) @ references.T @ weights).mean()

    def _embed(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B D"]:
        return functional.normalize(self._encoder(rgb), dim=-1)

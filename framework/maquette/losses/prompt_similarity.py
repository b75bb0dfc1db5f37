"""CLIP similarity of renderings to the prompt (Dream Fields)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from maquette.annotations import WeightsPath
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError
from maquette.losses.base import Loss
from maquette.perception.clip import Clip
from maquette.priors.base import Request
from maquette.registry import register
from maquette.renderers.base import Rendering


@register("loss", "prompt-similarity")
class PromptSimilarity(Loss):
    """CLIP text similarity: 1 - cosine between the embeddings of a rendering, from any camera, and the prompt.

    Source: Jain et al. 2022 (Dream Fields, arXiv 2112.01455), without its augmentations.
    """

    @dataclass(frozen=True)
    class Config:
        path: WeightsPath  # CLIP weights: a plugin's name for them, a folder, or a hub name
        weight: Schedule = Schedule.constant(0.1)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._clip = Clip(config.path)
        self._prompt: Float[Tensor, "1 D"]

    def prepare(self, request: Request) -> None:
        """Embed the prompt. Raises ConfigError when it is empty."""
        if not request.prompt:
            raise ConfigError("loss 'prompt-similarity' needs a prompt", key="prompt", hint='say prompt="a red mug"')
        self._prompt = self._clip.texts([request.prompt])

    def __call__(self, rendering: Rendering, geometry: Any) -> Tensor:
        embeddings = self._clip.to(rendering.rgb.device).images(rendering.rgb)
        return 1 - (embeddings @ self._prompt.to(embeddings).T).mean()

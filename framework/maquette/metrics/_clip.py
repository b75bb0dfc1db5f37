"""Image and text embeddings of a CLIP model in transformers' layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette import plugins
from maquette.errors import ConfigError
from maquette.pretrained import quiet, weights_source

USUAL_MEAN, USUAL_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Clip:
    """A frozen CLIP.

    Args:
        path: the name of weights that a plugin carries, a folder, or a hub name.

    Raises:
        ConfigError: it cannot be loaded.
    """

    def __init__(self, path: str) -> None:
        from transformers import CLIPModel, CLIPTokenizer

        source = weights_source(path)
        try:
            with quiet(source):
                model: Any = CLIPModel.from_pretrained(source, dtype=torch.float32)
                self._tokenizer: Any = CLIPTokenizer.from_pretrained(source)
        except (OSError, ValueError) as problem:
            raise ConfigError(
                f"cannot load a CLIP model from {path!r}: {str(problem).splitlines()[0]}",
                hint="give a folder in transformers' layout, a hub name, or one of: " + ", ".join(plugins.weights()),
            ) from problem
        self._model = model.eval().requires_grad_(False)
        self.size: int = model.config.vision_config.image_size
        settings = Path(source) / "preprocessor_config.json"
        stored = json.loads(settings.read_text()) if settings.is_file() else {}
        self._mean = torch.tensor(stored.get("image_mean", USUAL_MEAN))[:, None, None]
        self._std = torch.tensor(stored.get("image_std", USUAL_STD))[:, None, None]

    @torch.no_grad()
    def images(self, rgb: np.ndarray) -> Float[Tensor, "B D"]:
        """Unit embeddings of pictures [B, H, W, 3] in [0, 1], resized to the model's size."""
        pixels = torch.from_numpy(np.ascontiguousarray(rgb)).float().permute(0, 3, 1, 2)
        if pixels.shape[-2:] != (self.size, self.size):
            pixels = functional.interpolate(pixels, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
        output = self._model.get_image_features(pixel_values=(pixels - self._mean) / self._std)
        return functional.normalize(_embedding(output), dim=-1)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        """Unit embeddings of texts."""
        encoded = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self._tokenizer.model_max_length,
            return_tensors="pt",
        )  # fmt: skip
        output = self._model.get_text_features(input_ids=encoded.input_ids)
        return functional.normalize(_embedding(output), dim=-1)


def _embedding(output: Any) -> Tensor:
    """The projected embedding, which newer releases of transformers wrap in an output object."""
    return output if isinstance(output, Tensor) else output.pooler_output

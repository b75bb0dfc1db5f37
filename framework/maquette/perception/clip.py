"""Image and text embeddings of a CLIP model in transformers' layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.errors import ConfigError
from maquette.perception.image_encoder import ClipPreprocessor
from maquette.perception.tokens import cut_to_fit, most_tokens, text_limit, tokenize, warn_of_cut
from maquette.weights.loading import carried_weights, read_network, readable_source, unreadable, weights_source


def load_clip(path: str) -> tuple[Any, Any, ClipPreprocessor]:
    """A CLIPModel in 32-bit floats, frozen, its CLIPTokenizer, and the preprocessing of its pictures.

    Args:
        path: the name of weights that a plugin carries, a folder, or a hub name.

    Raises:
        ConfigError: it cannot be loaded, or tensors are missing or unexpected, which are named.
    """
    from transformers import CLIPModel, CLIPTokenizer

    source, what = weights_source(path), f"a CLIP model from {path!r}"
    hint = f"give a folder in transformers' layout, a hub name, or one of: {carried_weights()}"
    model = read_network(CLIPModel, source, what, hint=hint, dtype=torch.float32)
    try:
        with readable_source(source) as (place, revision):
            tokenizer: Any = CLIPTokenizer.from_pretrained(place, **revision)
    except ConfigError:
        raise
    except Exception as problem:  # the errors of tokenizers have no base but this
        raise unreadable(what, problem, hint=hint) from problem
    preprocess = ClipPreprocessor(model.config.vision_config.image_size, Path(source) / ClipPreprocessor.FILE)
    return model, tokenizer, preprocess


class Clip:
    """A frozen CLIP model with image and text embeddings.

    Args:
        path: the name of weights that a plugin carries, a folder, or a hub name.

    Raises:
        ConfigError: it cannot be loaded.
    """

    def __init__(self, path: str) -> None:
        self._model, self._tokenizer, self._preprocess = load_clip(path)
        self.size = self._preprocess.size

    def to(self, device: torch.device) -> Clip:
        """Move the model to a device, in place; returns itself."""
        self._model.to(device)
        return self

    def images(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B D"]:
        """Unit embeddings of pictures in [0, 1], resized to the model's size; differentiable."""
        output = self._model.get_image_features(pixel_values=self._preprocess(rgb))
        return functional.normalize(_embedding(output), dim=-1)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Float[Tensor, "N D"]:
        """Unit embeddings of texts."""
        most = most_tokens(self._tokenizer, self._model.config.text_config.max_position_embeddings)
        limits = [text_limit(self._tokenizer, most)]
        for text in texts:
            warn_of_cut(f"the text {text[:20]!r}...", text, cut_to_fit(text, limits), limits)
        ids = tokenize(self._tokenizer, texts, most).input_ids.to(self._model.device)
        output = self._model.get_text_features(input_ids=ids)
        return functional.normalize(_embedding(output), dim=-1)


def _embedding(output: Any) -> Tensor:
    """The projected embedding, which newer releases of transformers wrap in an output object."""
    return output if isinstance(output, Tensor) else output.pooler_output

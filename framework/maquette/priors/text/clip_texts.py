"""What CLIP's text encoders make of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor


def clip_embeddings(tokenizer: Any, encoder: Any, texts: Sequence[str]) -> Float[Tensor, "n L D"]:
    """The last hidden states of a CLIP text encoder; differentiable in what of it is trained."""
    return encoder(clip_tokens(tokenizer, texts).to(encoder.device)).last_hidden_state


def clip_tokens(tokenizer: Any, texts: Sequence[str]) -> Int[Tensor, "n L"]:
    """The tokens of texts, padded and cut to the tokenizer's length."""
    length = tokenizer.model_max_length
    return tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
    ).input_ids

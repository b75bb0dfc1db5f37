"""Text embeddings of CLIP text encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from maquette.perception.tokens import most_tokens, tokenize


def clip_embeddings(tokenizer: Any, encoder: Any, texts: Sequence[str]) -> Float[Tensor, "n L D"]:
    """The last hidden states of a CLIP text encoder; differentiable in its trainable parameters."""
    length = most_tokens(tokenizer, encoder.config.max_position_embeddings)
    return encoder(tokenize(tokenizer, texts, length).input_ids.to(encoder.device)).last_hidden_state

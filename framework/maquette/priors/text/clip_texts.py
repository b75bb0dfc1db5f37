"""Text embeddings of CLIP text encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from maquette.perception.tokens import token_ids


def clip_embeddings(tokenizer: Any, encoder: Any, texts: Sequence[str]) -> Float[Tensor, "n L D"]:
    """The last hidden states of a CLIP text encoder; differentiable in its trainable parameters."""
    return encoder(token_ids(tokenizer, encoder, texts)).last_hidden_state

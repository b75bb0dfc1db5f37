"""Texts as the tokens that an encoder reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def tokenize(tokenizer: Any, texts: Sequence[str], length: int | None = None) -> Any:
    """Texts in tokens, padded and cut to one length.

    Args:
        tokenizer: of transformers'.
        length: L; None: the tokenizer's own.

    Returns:
        What transformers calls a batch encoding, with `input_ids` and `attention_mask` [n, L], on the CPU.
    """
    return tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=length or tokenizer.model_max_length,
        return_tensors="pt",
    )  # fmt: skip

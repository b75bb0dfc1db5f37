"""Tokenisation of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def tokenize(tokenizer: Any, texts: Sequence[str], length: int | None = None) -> Any:
    """Tokenise texts, padded and truncated to one length.

    Args:
        tokenizer: a transformers tokenizer.
        texts: n texts.
        length: L; None: the tokenizer's own.

    Returns:
        A transformers BatchEncoding with `input_ids` and `attention_mask` [n, L], on the CPU.
    """
    return tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=length or tokenizer.model_max_length,
        return_tensors="pt",
    )  # fmt: skip

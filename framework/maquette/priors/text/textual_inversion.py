"""Textual inversion: reading files of learned word embeddings, and adding them to a text encoder.

Layouts: diffusers' `learned_embeds.bin` or .safetensors, {token: [D] or [n, D]}; that of the AUTOMATIC1111 web UI,
{"string_to_param": {"*": [n, D]}, "name": token}; and its safetensors, {"emb_params": [n, D]}, called as the file is;
for SDXL {"clip_l": [n, D], "clip_g": [n, E]}, one for each encoder, called so, too.

Source: Gal et al. 2022 (arXiv 2208.01618); layouts as these programs write them.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from maquette.errors import ConfigError
from maquette.weights.raw_files import check_tensor_file, is_safetensors, refuse_non_finite

KEY = "prior.embeddings"
LearnedEmbeddings: TypeAlias = dict[str, Float[Tensor, "n D"]]
"""Token -> its n embeddings."""


def read_embeddings(path: Path, encoder: str = "") -> LearnedEmbeddings:
    """The learned embeddings of a file.

    Args:
        encoder: which of several text encoders, by its name in the file; "": the file is for one.

    Raises:
        ConfigError: the file cannot be read as tensors alone, has another layout, or is not finite.
    """
    check_tensor_file(path, KEY)
    try:
        data = load_file(path) if is_safetensors(path) else torch.load(path, "cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        raise ConfigError(
            f"{path} holds more than tensors, and nothing in it is executed", key=KEY, hint="save it as safetensors"
        ) from problem
    except Exception as problem:  # zip, pickle, safetensors and storage errors have no common base
        reason = f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0][:200]}"
        raise ConfigError(f"cannot read embeddings from {path}: {reason}", key=KEY) from problem
    embeddings = _by_token(data, path.stem, encoder) if isinstance(data, Mapping) else {}
    if not embeddings or not all(isinstance(value, Tensor) and value.ndim in (1, 2) for value in embeddings.values()):
        keys = ", ".join(map(str, list(data)[:3])) if isinstance(data, Mapping) else type(data).__name__
        kind = f"textual inversion with {encoder}" if encoder else "textual inversion"
        raise ConfigError(f"{path} is no {kind}: it holds {keys}", key=KEY)
    refuse_non_finite(embeddings.items(), str(path), KEY)
    return {token: torch.atleast_2d(value.detach().float()) for token, value in embeddings.items()}


def _by_token(data: Mapping[str, Any], stem: str, encoder: str) -> dict[str, Any]:
    if encoder:
        return {stem: data[encoder]} if encoder in data else {}
    if "string_to_param" in data:
        values = list(data["string_to_param"].values())
        return {str(data.get("name") or stem): values[0]} if len(values) == 1 else {}
    if "emb_params" in data:
        return {stem: data["emb_params"]}
    return dict(data)


@torch.no_grad()
def add_embeddings(tokenizer: Any, encoder: Any, learned: LearnedEmbeddings) -> dict[str, str]:
    """Add learned tokens to a tokenizer and a CLIP text encoder, in place; n vectors become n tokens.

    Returns:
        token -> the words that replace it in a text, separated by spaces.

    Raises:
        ConfigError: the tokenizer has a token already, or vectors have another length than the encoder's.
    """
    table: Tensor = encoder.get_input_embeddings().weight
    words: dict[str, str] = {}
    for token, vectors in learned.items():
        if vectors.shape[1] != table.shape[1]:
            raise ConfigError(
                f"the embedding of {token!r} has {vectors.shape[1]} numbers, and this text encoder's have "
                f"{table.shape[1]}", key=KEY, hint="it was learned for another family of models",
            )  # fmt: skip
        names = add_names(tokenizer, token, len(vectors))
        ids = tokenizer.convert_tokens_to_ids(names)
        grown = torch.cat([table, table.new_zeros(max(max(ids) + 1 - len(table), 0), table.shape[1])])
        grown[ids] = vectors.to(grown)
        table, words[token] = grown, " ".join(names)
    encoder.set_input_embeddings(nn.Embedding.from_pretrained(table))
    return words


def add_names(tokenizer: Any, token: str, count: int) -> list[str]:
    """Add a learned token of `count` vectors to a tokenizer, in place, as that many words; returns them.

    Raises:
        ConfigError: the tokenizer has the token already.
    """
    if {token, f"{token}</w>"} & tokenizer.get_vocab().keys():
        raise ConfigError(f"the tokenizer has the word {token!r} already", key=KEY)
    names = [token, *(f"{token}_{i}" for i in range(1, count))]
    tokenizer.add_tokens(names)
    return names


def expand_tokens(texts: Sequence[str], words: Mapping[str, str]) -> list[str]:
    """Texts with each token replaced by its words; of tokens that begin alike, the longest.

    Example:
        >>> expand_tokens(["a <cat> toy"], {"<cat>": "<cat> <cat>_1"})
        ['a <cat> <cat>_1 toy']
    """
    if not words:
        return list(texts)
    tokens = re.compile("|".join(re.escape(token) for token in sorted(words, key=len, reverse=True)))
    return [tokens.sub(lambda match: words[match[0]], text) for text in texts]

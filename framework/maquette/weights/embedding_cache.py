"""A disk cache of text embeddings, computed once per text and text encoder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from maquette.files import cache_folder


def text_encoder_hash(folder: Path) -> str:
    """A hash of a model folder's text encoders and tokenizers (of large files, their size and time)."""
    digest = hashlib.blake2b(digest_size=12)
    for part in ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"):
        for path in sorted((folder / part).glob("*")):
            digest.update(path.name.encode())
            if path.suffix in (".json", ".txt"):
                digest.update(path.read_bytes())
            else:
                digest.update(file_signature(path).encode())
    return digest.hexdigest()


def file_signature(path: Path) -> str:
    """Size and modification time of a file, as text."""
    facts = path.stat()
    return f"{facts.st_size}/{facts.st_mtime_ns}"


def cached_embeddings(
    texts: Sequence[str], model: str, compute: Callable[[Sequence[str]], Float[Tensor, "n L D"]]
) -> dict[str, Float[Tensor, "L D"]]:
    """Text -> embedding, read from the cache; missing ones are computed in one call of `compute` and stored.

    Args:
        texts: any strings.
        model: cache key of the text encoder.
        compute: texts -> embeddings.
    """
    folder = cache_folder() / "text"
    paths = {text: folder / f"{_digest(model, text)}.safetensors" for text in dict.fromkeys(texts)}
    embeddings = {text: loaded for text, path in paths.items() if (loaded := _read(path)) is not None}
    missing = [text for text in paths if text not in embeddings]
    if missing:
        with torch.no_grad():
            computed = compute(missing)
        for text, embedding in zip(missing, computed, strict=True):
            embeddings[text] = embedding.float().cpu().contiguous()
            _write(paths[text], embeddings[text])
    return embeddings


def _digest(model: str, text: str) -> str:
    return hashlib.blake2b(json.dumps([model, text]).encode(), digest_size=16).hexdigest()


def _read(path: Path) -> Tensor | None:
    try:
        return load_file(path)["embedding"]
    except (OSError, SafetensorError, KeyError):
        return None


def _write(path: Path, embedding: Tensor) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        save_file({"embedding": embedding.clone()}, temporary)
        temporary.replace(path)
    except (OSError, SafetensorError):
        return  # a cache that cannot be written only costs time

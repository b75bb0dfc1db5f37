"""Text embeddings on disk: computed once per text and text encoder."""

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


def cache_folder() -> Path:
    """Where embeddings are kept: $MAQUETTE_CACHE, or the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "maquette"
    return Path(os.environ.get("MAQUETTE_CACHE", default))


def identity(folder: Path) -> str:
    """A hash that changes with a model folder's text encoders or tokenizers (sizes and times of large files)."""
    digest = hashlib.blake2b(digest_size=12)
    for part in ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"):
        for path in sorted((folder / part).glob("*")):
            digest.update(path.name.encode())
            if path.suffix in (".json", ".txt"):
                digest.update(path.read_bytes())
            else:
                digest.update(stamp(path).encode())
    return digest.hexdigest()


def stamp(path: Path) -> str:
    """What changes when a large file does: size and time."""
    facts = path.stat()
    return f"{facts.st_size}/{facts.st_mtime_ns}"


def embed(
    texts: Sequence[str], model: str, compute: Callable[[Sequence[str]], Float[Tensor, "n L D"]]
) -> dict[str, Float[Tensor, "L D"]]:
    """Text -> embedding, from the disk where it is known and by `compute`, once for all others, where it is not.

    Args:
        texts: any strings.
        model: what tells one text encoder from another.
        compute: makes the embeddings of several texts.
    """
    folder = cache_folder() / "text"
    paths = {text: folder / f"{_digest(model, text)}.safetensors" for text in dict.fromkeys(texts)}
    known = {text: loaded for text, path in paths.items() if (loaded := _read(path)) is not None}
    missing = [text for text in paths if text not in known]
    if missing:
        with torch.no_grad():
            computed = compute(missing)
        for text, embedding in zip(missing, computed, strict=True):
            known[text] = embedding.float().cpu().contiguous()
            _write(paths[text], known[text])
    return known


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
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        save_file({"embedding": embedding.clone()}, beside)
        beside.replace(path)
    except (OSError, SafetensorError):
        return  # a cache that cannot be written only costs time

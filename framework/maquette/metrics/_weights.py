"""Weights of metrics, pinned by their hash."""

from __future__ import annotations

from pathlib import Path

from maquette.errors import ConfigError
from maquette.weights.hashes import content_hash
from maquette.weights.loading import weights_source


def pinned_hash(path: str, expected: str, key: str) -> str:
    """The sha256 of weights, as `content_hash` has it; "" for a hub name that is not in a folder.

    Args:
        path: the name of weights that a plugin carries, a file, a folder, or a hub name.
        expected: what it has to be; "": anything.
        key: config key of the path, for the message.

    Raises:
        ConfigError: the weights are others than expected.
    """
    file = Path(path).expanduser()
    place = file if file.is_file() else Path(weights_source(path))
    digest = content_hash(place) if place.exists() else ""
    if expected and digest != expected:
        raise ConfigError(
            f"the weights {path!r} have the sha256 {digest or '(not known)'}, not {expected}", key=key,
            hint="give those that the numbers are to be compared with, or leave out sha256",
        )  # fmt: skip
    return digest

"""Where pretrained weights lie, and loading them without the libraries' chatter."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from maquette import plugins

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")
LEARNED_WORDS = "learned_embeds.safetensors"
"""The file of a textual inversion, as diffusers calls it."""


def weights_source(path: str) -> str:
    """The folder that `path` stands for: one that a plugin carries by that name, or one on disk; else a hub name."""
    folder = plugins.weights().get(path, Path(path).expanduser())
    return str(folder) if folder.is_dir() else path


def check_path(path: str) -> None:
    """Refuse what is neither a folder, nor weights that a plugin carries, nor a hub name.

    Raises:
        ValueError: naming the weights that plugins carry.
    """
    if Path(path).expanduser().is_dir() or path in plugins.weights():
        return
    if path.startswith(("/", ".", "~")) or not HUB_NAME.match(path):
        known = ", ".join(plugins.weights()) or "none installed"
        raise ValueError(
            f"there are no weights at {path!r}: neither a folder, nor a plugin's weights ({known}), "
            "nor a hub name like org/model"
        )


def halved(network: Network) -> Network:
    """A copy in half precision, to be written to a file; the network itself stays as it is."""
    return copy.deepcopy(network).half()


@contextmanager
def quiet(source: str = "") -> Iterator[None]:
    """Silence diffusers' and transformers' notes; their progress bars too, unless `source` is downloaded from a hub."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    levels = [library.get_verbosity() for library in libraries]
    bars = not source or Path(source).is_dir()
    for library in libraries:
        library.set_verbosity_error()
        if bars:
            library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level in zip(libraries, levels, strict=True):
            library.set_verbosity(level)
            if bars:
                library.enable_progress_bar()

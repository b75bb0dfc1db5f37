"""Where pretrained weights lie, and loading them without the libraries' chatter."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from maquette import plugins
from maquette.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")
COUNTED = ("position_ids", "relative_position_index")
"""Endings of tensors that older releases stored, and newer ones count out themselves."""
SHOWN_NAMES = 5  # of missing or unexpected tensors in a message
LEARNED_WORDS = "learned_embeds.safetensors"
"""The file of a textual inversion, as diffusers calls it."""


def weights_source(path: str) -> str:
    """The folder that `path` stands for: one that a plugin carries by that name, or one on disk; else a hub name."""
    folder = plugins.weights().get(path, Path(path).expanduser())
    return str(folder) if folder.is_dir() else path


def carried_weights() -> str:
    """The names of the weights that plugins carry, for hints."""
    return ", ".join(plugins.weights()) or "none installed"


def check_path(path: str) -> None:
    """Refuse what is neither a folder, nor weights that a plugin carries, nor a hub name.

    Raises:
        ValueError: naming the weights that plugins carry.
    """
    if Path(path).expanduser().is_dir() or path in plugins.weights():
        return
    if path.startswith(("/", ".", "~")) or not HUB_NAME.match(path):
        raise ValueError(
            f"there are no weights at {path!r}: neither a folder, nor a plugin's weights ({carried_weights()}), "
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


def read_network(
    cls: Any, source: str, what: str, key: str = "", hint: str = "", spare: tuple[str, ...] = (), **settings: Any
) -> Any:
    """A frozen network of diffusers or transformers, all of whose tensors are in its file.

    Args:
        cls: its class there.
        source: folder or hub name.
        what: it is, for messages.
        key: of the config that named it; `hint`: what would be right.
        spare: beginnings of names that may be in the file alone, or be missing there.
        settings: of `from_pretrained`.

    Raises:
        ConfigError: it cannot be read, or tensors are missing, unexpected or of another shape, which are named.
    """
    try:
        with quiet(source):
            network, found = cls.from_pretrained(
                source, output_loading_info=True, ignore_mismatched_sizes=True, **settings
            )
    except Exception as problem:  # safetensors, json, pickle, hub and key errors have no common base
        raise unreadable(what, problem, key, hint) from problem
    missing, unexpected = (
        [name for name in found[kind] if not name.startswith(spare) and not name.endswith(COUNTED)]
        for kind in ("missing_keys", "unexpected_keys")
    )
    refuse_differences(what, missing, unexpected, [entry[0] for entry in found["mismatched_keys"]], key)
    return network.requires_grad_(False).eval()


def unreadable(what: str, problem: Exception, key: str = "", hint: str = "") -> ConfigError:
    """The error that something cannot be loaded."""
    first = str(problem).strip().split("\n")[0][:200]
    return ConfigError(f"cannot load {what}: {type(problem).__name__}: {first}", key=key, hint=hint)


def refuse_differences(
    what: str, missing: Sequence[str], unexpected: Sequence[str], shapes: Sequence[str] = (), key: str = "prior.path"
) -> None:
    """Stop where tensors of a checkpoint are missing, unexpected or of another shape.

    Raises:
        ConfigError: naming the first of them.
    """
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    found = [f"{len(names)} {kind} ({_some(sorted(names))})" for kind, names in kinds.items() if names]
    if found:
        raise ConfigError(
            f"{what} does not fit the model it is for: tensors {', '.join(found)}", key=key,
            hint="the file is incomplete, or of another model",
        )  # fmt: skip


def _some(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")

"""Locating pretrained weights, and loading networks with a check of every tensor."""

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
"""Endings of tensors that older releases stored and newer ones compute."""
SHOWN_NAMES = 5  # of missing or unexpected tensors in a message
LEARNED_WORDS = "learned_embeds.safetensors"
"""Name of a textual inversion file in diffusers."""


def weights_source(path: str) -> str:
    """The folder of weights that a plugin carries by this name, or a folder on disk; else `path` as a hub name."""
    folder = plugins.weights().get(path, Path(path).expanduser())
    return str(folder) if folder.is_dir() else path


def carried_weights() -> str:
    """The names of the weights that plugins carry, for hints."""
    return ", ".join(plugins.weights()) or "none installed"


def check_path(path: str) -> None:
    """Check that a path is a folder, the name of weights that a plugin carries, or a hub name.

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
    """A copy of a network in half precision, for saving."""
    return copy.deepcopy(network).half()


@contextmanager
def quiet(source: str = "") -> Iterator[None]:
    """Silence the logs of diffusers and transformers, and their progress bars unless `source` is a hub name."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    verbosities = [library.get_verbosity() for library in libraries]
    bars = not source or Path(source).is_dir()
    for library in libraries:
        library.set_verbosity_error()
        if bars:
            library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity in zip(libraries, verbosities, strict=True):
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()


def read_network(
    cls: Any, source: str, what: str, key: str = "", hint: str = "", spare: tuple[str, ...] = (), **settings: Any
) -> Any:
    """Load a frozen network of diffusers or transformers, with a check that its tensors are those in the file.

    Args:
        cls: its class in diffusers or transformers.
        source: folder or hub name.
        what: description of the network, for messages.
        key: config key, for messages.
        hint: remedy, for messages.
        spare: prefixes of tensors that may be missing in the file, or unexpected there.
        settings: arguments of `from_pretrained`.

    Raises:
        ConfigError: it cannot be read, or tensors are missing, unexpected or of another shape; naming them.
    """
    try:
        with quiet(source):
            network, report = cls.from_pretrained(
                source, output_loading_info=True, ignore_mismatched_sizes=True, **settings
            )
    except Exception as problem:  # safetensors, json, pickle, hub and key errors have no common base
        raise unreadable(what, problem, key, hint) from problem
    missing, unexpected = (
        [name for name in report[kind] if not name.startswith(spare) and not name.endswith(COUNTED)]
        for kind in ("missing_keys", "unexpected_keys")
    )
    refuse_differences(what, missing, unexpected, [entry[0] for entry in report["mismatched_keys"]], key)
    return network.requires_grad_(False).eval()


def unreadable(what: str, problem: Exception, key: str = "", hint: str = "") -> ConfigError:
    """The error for weights that cannot be loaded."""
    first = str(problem).strip().split("\n")[0][:200]
    return ConfigError(f"cannot load {what}: {type(problem).__name__}: {first}", key=key, hint=hint)


def refuse_differences(
    what: str, missing: Sequence[str], unexpected: Sequence[str], shapes: Sequence[str] = (), key: str = "prior.path"
) -> None:
    """Refuse a checkpoint with missing or unexpected tensors, or with other shapes.

    Raises:
        ConfigError: there are any; naming the first of them.
    """
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    differences = [f"{len(names)} {kind} ({_some(sorted(names))})" for kind, names in kinds.items() if names]
    if differences:
        raise ConfigError(
            f"{what} does not fit the model it is for: tensors {', '.join(differences)}", key=key,
            hint="the file is incomplete, or of another model",
        )  # fmt: skip


def _some(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")

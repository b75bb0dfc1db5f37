"""Tensors out of files that others made, without doing anything that a file says."""

from __future__ import annotations

import pickletools
import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from torch import Tensor

from maquette.errors import ConfigError

INERT = ("pytorch_lightning", "lightning", "lightning_fabric", "omegaconf", "numpy")
"""Packages whose objects Lightning's checkpoints carry beside the weights: callbacks, settings, single numbers."""


class Inert:
    """Stands for an object of a package in INERT: it takes whatever it is given, and neither keeps nor runs it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        return

    def __setstate__(self, state: Any) -> None:
        return


def read_tensors(path: Path, key: str = "") -> dict[str, Tensor]:
    """Name -> tensor of a safetensors file, or of a pickle of torch; those under "state_dict", where it has that.

    Pickles are read by torch's weights-only reader: it makes tensors, numbers, strings and collections of them, and
    refuses to import anything else, by which pickles run code. It is given a stand-in that does nothing (`Inert`)
    for each class of the packages in INERT that the file names; these packages themselves are not imported. Tensors
    of pickles since torch 1.6 stay on the disk until they are used.

    Args:
        path: a file.
        key: of the configuration, for errors.

    Raises:
        ConfigError: the file is damaged, or holds what could run.
    """
    from safetensors.torch import load_file

    try:
        found = load_file(path) if path.suffix == ".safetensors" else _read_pickle(path)
    except Exception as problem:  # zip, pickle, safetensors and storage errors have no common base
        raise _refusal(path, key, problem) from problem
    named: dict[Any, Any] = found if isinstance(found, dict) else {}
    if isinstance(named.get("state_dict"), dict):
        named = named["state_dict"]
    tensors = {str(name): value for name, value in named.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ConfigError(f"there are no tensors in {path}", key=key, hint="give a checkpoint file")
    return tensors


def _read_pickle(path: Path) -> Any:
    mapped = is_zipfile(path)
    stand_ins: list[Any] = [_stand_in(name) for name in _imports(path) if name.split(".")[0] in INERT] if mapped else []
    with torch.serialization.safe_globals(stand_ins):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _imports(path: Path) -> set[str]:
    """What the pickle of a zipped checkpoint names, "package.module.name", found by reading its opcodes."""
    with ZipFile(path) as archive:
        pickle = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        opcodes = pickletools.genops(archive.read(pickle))
        return {str(value).replace(" ", ".") for opcode, value, _ in opcodes if opcode.name == "GLOBAL"}


def _stand_in(name: str) -> type[Inert]:
    module, _, own = name.rpartition(".")
    return type(own, (Inert,), {"__module__": module, "__qualname__": own})


def _refusal(path: Path, key: str, problem: Exception) -> ConfigError:
    text = str(problem)
    if (named := re.search(r"GLOBAL (\S+)", text)) is not None:
        return ConfigError(
            f"{path} holds more than weights: it names {named[1]}, so nothing of it was loaded", key=key,
            hint="ask its author for safetensors; a checkpoint of weights never needs this",
        )  # fmt: skip
    first = text.strip().split("\n")[0][:200]
    return ConfigError(f"cannot read {path}: {type(problem).__name__}: {first}", key=key, hint="is it complete?")

"""Reading tensors from safetensors files and pickles without running code in them."""

from __future__ import annotations

import pickletools
import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch
from torch import Tensor

from maquette.errors import ConfigError
from maquette.weights.raw_files import check_tensor_file, is_safetensors

INERT = ("pytorch_lightning", "lightning", "lightning_fabric", "omegaconf", "numpy")
"""Packages with objects in Lightning's checkpoints other than weights: callbacks, settings, scalars."""


class Inert:
    """A stand-in for objects of the packages in INERT: it accepts any arguments, and neither stores nor runs them."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        return

    def __setstate__(self, state: Any) -> None:
        return


def read_tensors(path: Path, key: str = "", entry: str = "state_dict") -> dict[str, Tensor]:
    """Name -> tensor of a safetensors file or a torch pickle; the tensors under `entry`, if the file has that.

    Pickles are read by torch's weights-only reader: it creates tensors, numbers, strings and collections of them, and
    refuses all other imports, which could run code. Classes of the packages in INERT are replaced by a stand-in that
    does nothing (`Inert`); these packages are not imported. Pickles since torch 1.6 are memory-mapped.

    Args:
        path: a file.
        key: config key, for errors.
        entry: name of a mapping in the file.

    Raises:
        ConfigError: the file is damaged or a failed download, or holds objects that could run code.
    """
    from safetensors.torch import load_file

    check_tensor_file(path, key)
    try:
        data = load_file(path) if is_safetensors(path) else _read_pickle(path)
    except Exception as problem:  # zip, pickle, safetensors and storage errors have no common base
        raise _refusal(path, key, problem) from problem
    named: dict[Any, Any] = data if isinstance(data, dict) else {}
    if isinstance(named.get(entry), dict):
        named = named[entry]
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
    """Imports "package.module.name" in the pickle of a zipped checkpoint, from its opcodes."""
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

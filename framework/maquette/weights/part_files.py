"""The weight files of one network in a folder: whole or in shards, in full precision or in a variant such as fp16."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from maquette.errors import ConfigError
from maquette.weights.raw_files import check_tensor_file, is_finite, read_json, safetensors_header

_log = logging.getLogger(__name__)

STEMS = r"(?:diffusion_pytorch_model|pytorch_model|model)"
WHOLE = re.compile(rf"^{STEMS}(?:\.(?P<variant>\w+))?\.(?P<kind>safetensors|bin)$")
INDEX = re.compile(rf"^{STEMS}\.(?P<kind>safetensors|bin)\.index(?:\.(?P<variant>\w+))?\.json$")
PREFERRED = ("fp16", "bf16", "fp32")
"""Variants in the order in which they are taken where there is no file without one."""


@dataclass(frozen=True)
class PartFiles:
    """The weight files of a network.

    Args:
        variant: "fp16" and so on; None: the files without one.
        paths: the file, or its shards.
    """

    variant: str | None
    paths: tuple[Path, ...]

    @property
    def dtypes(self) -> list[str]:
        """The dtypes of the tensors of safetensors files, such as "float16", the most frequent first."""
        counts: dict[str, int] = {}
        for path in self.paths:
            for entry in safetensors_header(path).values() if path.suffix == ".safetensors" else ():
                counts[entry["dtype"]] = counts.get(entry["dtype"], 0) + 1
        return [DTYPES.get(name, name.lower()) for name in sorted(counts, key=lambda name: -counts[name])]

    def tensors(self) -> Iterator[tuple[Path, str, Tensor]]:
        """File, name and value of each tensor of safetensors files."""
        for path in self.paths:
            if path.suffix == ".safetensors":
                with safe_open(path, "pt") as file:
                    for name in file.keys():  # noqa: SIM118
                        yield path, name, file.get_tensor(name)

    def first_non_finite(self) -> tuple[Path, str, Tensor] | None:
        """File, name and value of the first tensor with a NaN or an infinity."""
        return next((entry for entry in self.tensors() if not is_finite(entry[2])), None)


def check_config_size(config: Any, files: PartFiles, path: Path, key: str = "") -> None:
    """Refuse the configuration of a network with more layers or wider ones than its files can hold.

    Building it would take any time and memory before its tensors were compared.

    Raises:
        ConfigError: naming the entry and the file.
    """
    size = sum(file.stat().st_size for file in files.paths)
    headers = [safetensors_header(file, key) for file in files.paths if file.suffix == ".safetensors"]
    count = sum(map(len, headers)) if len(headers) == len(files.paths) else size
    for name, number in _numbers("", config):
        limit = count if "layers" in name else max(SMALL, size)
        if number > limit:
            raise ConfigError(
                f"{name} is {number}, and the files beside it hold only {count} tensors in {size} bytes ({path})",
                key=key, hint="the configuration is damaged, or of another model",
            )  # fmt: skip


def _numbers(name: str, value: Any) -> Iterator[tuple[str, int | float]]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, value
    for key, item in value.items() if isinstance(value, dict) else ():
        yield from _numbers(str(key), item)
    for item in value if isinstance(value, list) else ():
        yield from _numbers(name, item)


SMALL = 10**6
"""A number in a configuration that is no size, such as that of a token, is not larger."""
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32"}
"""Names of dtypes in safetensors headers -> torch's."""


def part_files(folder: Path, pickles: bool = False, key: str = "") -> PartFiles:
    """The weight files of the network in a folder, checked; a variant is taken where there is nothing else.

    Args:
        folder: of one network in diffusers' or transformers' layout.
        pickles: take `.bin` files where there are no safetensors.
        key: config key, for messages.

    Raises:
        ConfigError: there are none, several variants to choose from, a shard is missing, or a file is no file of
            tensors; naming it.
    """
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for kind in ("safetensors", "bin") if pickles else ("safetensors",):
        variants: dict[str | None, str] = {}
        for name in names:
            match = WHOLE.match(name) or INDEX.match(name)
            if match and match["kind"] == kind and (match["variant"] not in variants or name.endswith(kind)):
                variants[match["variant"]] = name
        if variants:
            variant = _choose(variants, folder, key)
            files = PartFiles(variant, _shards(folder / variants[variant], key))
            for path in files.paths:
                check_tensor_file(path, key)
            return files
    return _refuse_none(folder, names, key)


def _choose(variants: dict[str | None, str], folder: Path, key: str) -> str | None:
    if None in variants:
        return None
    named = [str(variant) for variant in variants]
    variant = next((name for name in PREFERRED if name in variants), named[0] if len(named) == 1 else None)
    if variant is None:
        raise ConfigError(
            f"{folder} has its weights only in the variants {', '.join(named)}", key=key,
            hint=f"rename the files of one of them: {variants[named[0]].replace(f'.{named[0]}', '')}",
        )  # fmt: skip
    _log.info("%s: taking the variant %s, since there are no other weights", folder, variant)
    return variant


def _shards(path: Path, key: str) -> tuple[Path, ...]:
    if path.suffix != ".json":
        return (path,)
    shards = read_json(path, key).get("weight_map")
    if not isinstance(shards, dict) or not shards or not all(isinstance(name, str) for name in shards.values()):
        raise ConfigError(f"{path} names no files under weight_map", key=key, hint="download it again")
    names = list(dict.fromkeys(shards.values()))
    if outside := [name for name in names if Path(name).name != name or "\\" in name]:
        raise ConfigError(f"{path} names {outside[0]!r}, which is not in its folder", key=key)
    if missing := [name for name in names if not (path.parent / name).is_file()]:
        raise ConfigError(
            f"{path} names {len(names)} files, and {len(missing)} of them are not there: {missing[0]}", key=key,
            hint="download them, too",
        )  # fmt: skip
    return tuple(path.parent / name for name in names)


def _refuse_none(folder: Path, names: list[str], key: str) -> PartFiles:
    pickled = [name for name in names if name.endswith((".bin", ".ckpt", ".pt", ".pth"))]
    if pickled:
        raise ConfigError(
            f"{folder} has no safetensors, only pickles ({pickled[0]}), which are not read", key=key,
            hint="save the model again with diffusers: save_pretrained(FOLDER, safe_serialization=True)",
        )  # fmt: skip
    listing = ", ".join(names[:6]) or ("nothing" if folder.is_dir() else "no such folder")
    raise ConfigError(
        f"there is no diffusion_pytorch_model.safetensors or model.safetensors in {folder}: it has {listing}", key=key
    )

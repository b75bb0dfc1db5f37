"""The pretrained weights that a method names: where they are, how large they are; nothing is downloaded."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from maquette import plugins
from maquette.annotations import PathKind
from maquette.config.parts import PartSpec, field_types
from maquette.errors import ConfigError
from maquette.weights.hub import HubModel
from maquette.weights.part_files import part_files
from maquette.weights.raw_files import safetensors_header

Place = Literal["plugin", "disk", "hub cache", "hub"]


@dataclass(frozen=True)
class WeightsUse:
    """Pretrained weights that a method names.

    Args:
        key: dotted key of the method, the first that names them.
        path: as the method says it.
        place: where they are: with a plugin, on disk, in the cache of hub downloads, or only on the hub.
        parameters: numbers in them; None: unknown.
        size_mb: of their files; None: unknown.
    """

    key: str
    path: str
    place: Place
    parameters: int | None
    size_mb: float | None

    @property
    def to_download(self) -> bool:
        """Whether a run downloads them first."""
        return self.place == "hub"


def weights_of(config: Any) -> list[WeightsUse]:
    """The weights that a typed config names, each once.

    Args:
        config: a method's config, a part or a stage.
    """
    uses: dict[str, WeightsUse] = {}
    for key, path in _named(config, ""):
        if path not in uses:
            uses[path] = _use(key, path)
    return list(uses.values())


def _named(config: Any, key: str) -> Iterator[tuple[str, str]]:
    """Dotted key and text of every option that holds weights."""
    if isinstance(config, PartSpec):
        yield from _named(config.config, key)
    elif isinstance(config, Mapping):
        for name, item in config.items():
            yield from _named(item, f"{key}.{name}".lstrip("."))
    elif isinstance(config, (list, tuple)):
        for index, item in enumerate(config):
            yield from _named(item, f"{key}.{index}")
    elif dataclasses.is_dataclass(config) and not isinstance(config, type):
        types = field_types(type(config))
        for field in dataclasses.fields(config):
            value, child = getattr(config, field.name, None), f"{key}.{field.name}".lstrip(".")
            if isinstance(value, str) and value and _holds_weights(types.get(field.name)):
                yield child, value
            else:
                yield from _named(value, child)


def _holds_weights(expected: Any) -> bool:
    marks = expected.__metadata__ if typing.get_origin(expected) is Annotated else ()
    return any(isinstance(mark, PathKind) and mark.kind == "weights" for mark in marks)


def _use(key: str, path: str) -> WeightsUse:
    carried, local = plugins.find_weights(path), Path(path).expanduser()
    if carried is not None or local.exists():
        folder = carried or local
        return WeightsUse(key, path, "plugin" if carried else "disk", count_parameters(folder), _size_mb(folder))
    snapshot = _cached(path)
    if snapshot is not None:
        return WeightsUse(key, path, "hub cache", count_parameters(snapshot), _size_mb(snapshot))
    return WeightsUse(key, path, "hub", None, None)


def _cached(path: str) -> Path | None:
    """The folder of a hub repository in the cache of downloads, if networks of it are there; asks no server."""
    model = HubModel.named(path)
    if model is None:
        return None
    pattern = (model.commit or "-") if model.revision else "*"
    folders = sorted((model.cache / "snapshots").glob(pattern), key=lambda folder: folder.stat().st_mtime)
    complete = [folder for folder in folders if any(folder.rglob("*.safetensors")) or any(folder.rglob("*.bin"))]
    return complete[-1] if complete else None


def count_parameters(path: Path) -> int | None:
    """Numbers in the networks of a folder or file, from the headers of its safetensors; None: they have none.

    Of a network in several precisions one is counted, as one is read.
    """
    if path.is_file():
        files = [path] if path.suffix == ".safetensors" else []
    else:
        folders = sorted({file.parent for file in path.rglob("*.safetensors")})
        files = [file for folder in folders for file in _network_files(folder)]
    try:
        headers = [safetensors_header(file) for file in files]
    except (ConfigError, OSError):
        return None
    return sum(prod(entry["shape"]) for header in headers for entry in header.values()) if headers else None


def _network_files(folder: Path) -> list[Path]:
    try:
        return list(part_files(folder).paths)
    except ConfigError:  # no network: files of other names, such as learned words
        return [path for path in folder.glob("*.safetensors") if "." not in path.stem]


def _size_mb(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return round(sum(file.stat().st_size for file in files) / 1e6, 1)

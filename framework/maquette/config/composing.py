"""The merged files of a method as plain data, unchecked: for whoever looks at a method and does not run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.config import paths
from maquette.config.layers import compose
from maquette.config.merging import Origins
from maquette.config.method_files import read_files
from maquette.config.references import resolve_references

MISSING = "???"


@dataclass(frozen=True)
class Composition:
    """A method's files, merged into plain data; unchecked.

    Args:
        path: the method's file.
        data: with all references filled in; values that the user has to give are "???".
        origins: dotted key -> origin.
        groups: group -> choice.
        required: keys that the user has to give.
        files: that were merged, and those of the choices.
    """

    path: Path
    data: dict[str, Any]
    origins: Origins
    groups: dict[str, str]
    required: tuple[str, ...]
    files: tuple[Path, ...]


def compose_method(name: str, folder: str = "methods", choices: Mapping[str, str] | None = None) -> Composition:
    """The merged files of a method.

    Args:
        name: a name, or a YAML file.
        folder: of configs, in which names are looked up.
        choices: group -> choice, in place of the method's.

    Raises:
        ConfigError: a file is missing or unreadable.
    """
    path = paths.find_config(name, folder, "method" if folder == "methods" else "config")
    files = read_files(path, folder)
    groups = {group: choice for file in files for group, choice in file.choices.items()} | dict(choices or {})
    data, origins = compose(files, groups, swapped=choices or {})
    required = tuple(key for key, value in data.items() if value == MISSING)
    laptops = [laptop for file in files if (laptop := paths.laptop_file(file.path)) is not None]
    chosen = [paths.available(paths.group_folder(group)).get(choice) for group, choice in groups.items()]
    merged = (*(file.path for file in files), *laptops, *filter(None, chosen))
    return Composition(path, resolve_references(data, origins), origins, groups, required, merged)

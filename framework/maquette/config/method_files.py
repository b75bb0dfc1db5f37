"""The files of a method: one file split into its keys and directives, and the files that it extends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.config import paths
from maquette.config.merging import Origins
from maquette.config.origins import error_at, load_yaml
from maquette.errors import ConfigError
from maquette.files import display_path


@dataclass(frozen=True)
class MethodFile:
    """One file of a method, split into its keys and directives.

    Args:
        path: the file.
        keys: its settings, without the directives below.
        origins: dotted key -> origin.
        defaults: group -> default choice.
        resolved_groups: group -> choice that the keys already contain, in the saved config of a run; None in a method
            file.
        plugins: paths of Python files and folders with parts, relative to the file.
        when: condition, such as "prior=sd15,sd21" -> settings that apply under it.
    """

    path: Path
    keys: dict[str, Any]
    origins: Origins
    defaults: dict[str, str]
    resolved_groups: dict[str, str] | None
    when: dict[str, dict[str, Any]]
    plugins: tuple[str, ...] = ()

    @property
    def choices(self) -> dict[str, str]:
        """Group -> choice, unless an extending file or an override chooses another."""
        return {**(self.resolved_groups or {}), **self.defaults}


def read_files(path: Path, folder: str, keys: tuple[dict[str, Any], Origins] | None = None) -> list[MethodFile]:
    """The file and all files that it extends, each once and after those that it extends itself.

    Args:
        path: the file.
        folder: config folder in which the names of `extends:` are looked up, such as "methods".
        keys: of the file and their origins, where a plugin has read it; None: it is YAML.

    Raises:
        ConfigError: a file is missing or unreadable, or the files extend each other in a circle.
    """
    files: dict[Path, MethodFile] = {}
    _read(path, folder, (), files, keys)
    return list(files.values())


def _read(
    path: Path,
    folder: str,
    above: tuple[Path, ...],
    files: dict[Path, MethodFile],
    contents: tuple[dict[str, Any], Origins] | None = None,
) -> None:
    place = path.resolve()
    if place in above:
        raise ConfigError("these methods extend each other in a circle", key="extends", file=display_path(path))
    if place in files:
        return
    keys, origins = contents or load_yaml(path)
    bases = keys.pop("extends", None)
    bases = bases if isinstance(bases, list) else [] if bases is None else [bases]
    file = MethodFile(
        path,
        keys,
        origins,
        defaults=_mapping(keys, "defaults", origins, "of group to file, such as {prior: sd15}", texts=True),
        resolved_groups=_mapping(keys, "groups", origins, "of group to choice", texts=True)
        if "groups" in keys
        else None,
        when=_mapping(keys, "when", origins, "of condition to settings, such as {prior=sd15: {seed: 1}}"),
        plugins=_paths(keys, "plugins", origins),
    )
    for base in bases:
        if not isinstance(base, str) or not base:
            raise error_at("extends names a method, a file, or a list of them", "extends", origins)
        try:
            base_path = paths.find_beside(base, folder, "method", path)
        except (ConfigError, ValueError) as problem:
            hint = problem.hint if isinstance(problem, ConfigError) else ""
            raise error_at(getattr(problem, "message", str(problem)), "extends", origins, hint) from None
        _read(base_path, folder, (*above, place), files)
    files[place] = file


def _paths(keys: dict[str, Any], name: str, origins: Origins) -> tuple[str, ...]:
    """Take the list of paths `name` out of a file's keys."""
    value = keys.pop(name, None) or []
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise error_at(f"{name} is a list of Python files, such as [./my_loss.py]", name, origins)
    return tuple(value)


def _mapping(keys: dict[str, Any], name: str, origins: Origins, what: str, texts: bool = False) -> dict[str, Any]:
    """Take the mapping `name` out of a file's keys; its values are texts, or mappings."""
    value = keys.pop(name, None)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise error_at(f"{name} is a mapping {what}", name, origins)
    for word, item in value.items():
        if not (isinstance(item, str) and item if texts else isinstance(item, Mapping)):
            raise error_at(f"{name} is a mapping {what}", f"{name}.{word}", origins)
    return dict(value)

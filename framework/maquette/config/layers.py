"""Composition of a config from its layers: a file, the files it extends, its groups, laptop file and conditions.

The method at the root of `extends:` comes first and the file itself last, so that a file's keys override those of all
files that it extends. Each file contributes, in increasing precedence: its keys; the files of the groups that it
introduces (`defaults:`); its laptop file `../laptop/NAME.yaml`, where the choices match; its matching `when:` blocks.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.config import paths
from maquette.config.origins import Origin, load_yaml, locate
from maquette.errors import ConfigError
from maquette.files import display_path

Origins = dict[str, Origin]


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
        when: condition, such as "prior=sd15,sd21" -> settings that apply under it.
    """

    path: Path
    keys: dict[str, Any]
    origins: Origins
    defaults: dict[str, str]
    resolved_groups: dict[str, str] | None
    when: dict[str, dict[str, Any]]

    @property
    def choices(self) -> dict[str, str]:
        """Group -> choice, unless an extending file or an override chooses another."""
        return {**(self.resolved_groups or {}), **self.defaults}


def read_files(path: Path, folder: str, above: tuple[Path, ...] = ()) -> list[MethodFile]:
    """The file and all files that it extends, the root first.

    Args:
        path: the file.
        folder: config folder in which the names of `extends:` are looked up, such as "methods".
        above: the files that extend this one.

    Raises:
        ConfigError: a file is missing or unreadable, or the files extend each other in a circle.
    """
    if path in above:
        raise ConfigError("these methods extend each other in a circle", key="extends", file=display_path(path))
    keys, origins = load_yaml(path)
    base = keys.pop("extends", None)
    file = MethodFile(
        path,
        keys,
        origins,
        defaults=keys.pop("defaults", None) or {},
        resolved_groups=(keys.pop("groups") or {}) if "groups" in keys else None,
        when=keys.pop("when", None) or {},
    )
    if base is None:
        return [file]
    return [*read_files(paths.find_config(str(base), folder, "method"), folder, (*above, path)), file]


def compose(
    files: Iterable[MethodFile], groups: Mapping[str, str], swapped: Iterable[str]
) -> tuple[dict[str, Any], Origins]:
    """Merge all layers of the files into plain data, with the origin of each dotted key.

    Args:
        files: the root of `extends:` first.
        groups: group -> effective choice.
        swapped: groups with a new choice, which replaces their content in a resolved config.

    Raises:
        ConfigError: a choice or a condition does not exist.
    """
    data: dict[str, Any] = {}
    origins: Origins = {}
    introduced: set[str] = set()
    for file in files:
        overlay(data, origins, file.keys, file.origins)
        for group in file.choices:
            if group in introduced:
                continue  # its content is already merged below this file's keys
            introduced.add(group)
            if group in swapped or (file.resolved_groups or {}).get(group) != groups[group]:
                overlay(data, origins, *load_yaml(paths.find_config(groups[group], paths.group_folder(group), group)))
        if file.resolved_groups is None:
            _overlay_laptop(data, origins, file, groups)
        _overlay_conditions(data, origins, file, groups)
    return data, origins


def _overlay_laptop(data: dict[str, Any], origins: Origins, file: MethodFile, groups: Mapping[str, str]) -> None:
    """Overlay the laptop file of a method, if the choices match its `for: {GROUP: [CHOICE, ...]}`."""
    path = paths.laptop_file(file.path)
    if path is None:
        return
    keys, laptop_origins = load_yaml(path)
    choices = keys.pop("for", None)
    if not isinstance(choices, dict) or not choices:
        raise ConfigError(
            "a laptop file says what choices of a group it is for", key="for", file=display_path(path),
            hint="begin it with, for instance, for: {prior: [sd15]}",
        )  # fmt: skip
    for group in choices:
        _check_group(group, groups, f"for.{group}", laptop_origins)
    if all(groups[group] in _as_list(names) for group, names in choices.items()):
        overlay(data, origins, keys, laptop_origins)


def _overlay_conditions(data: dict[str, Any], origins: Origins, file: MethodFile, groups: Mapping[str, str]) -> None:
    for condition, block in file.when.items():
        key = f"when.{condition}"
        group, _, choice = condition.partition("=")
        _check_group(group, groups, key, file.origins)
        if groups[group] in choice.split(","):
            block_origins = {
                at.removeprefix(f"{key}."): origin for at, origin in file.origins.items() if at.startswith(f"{key}.")
            }
            overlay(data, origins, block, block_origins)


def _as_list(choices: Any) -> list[Any]:
    return choices if isinstance(choices, list) else [choices]


def _check_group(group: str, groups: Mapping[str, str], key: str, origins: Origins) -> None:
    if group not in groups:
        origin = locate(origins, key) or Origin("")
        conditions = ", ".join(f"{name}=..." for name in groups) or "none"
        raise ConfigError(
            "not a condition on a group", key=key, file=origin.file, line=origin.line, hint=f"known: {conditions}"
        )


def overlay(data: dict[str, Any], origins: Origins, top: dict[str, Any], top_origins: Mapping[str, Origin]) -> None:
    """Merge `top` over `data`, and its `top_origins` into `origins`."""
    for replaced in merge(data, top):
        for key in [key for key in origins if key.startswith(f"{replaced}.")]:
            del origins[key]
    origins.update(top_origins)


def merge(base: dict[str, Any], top: dict[str, Any], prefix: str = "") -> list[str]:
    """Merge `top` over `base`; returns the dotted keys that were replaced rather than merged.

    A mapping is merged into the mapping below it, unless its `type` differs. A mapping over a part given by name alone
    adds settings to that part.
    """
    replaced: list[str] = []
    for name, value in top.items():
        below = base.get(name)
        if isinstance(value, dict) and "type" not in value and is_name(below):
            below = base[name] = {"type": below}
        if (
            isinstance(below, dict)
            and isinstance(value, dict)
            and value.get("type", below.get("type")) == below.get("type")
        ):
            replaced += merge(below, value, f"{prefix}{name}.")
        else:
            base[name] = copy.deepcopy(value)
            replaced.append(f"{prefix}{name}")
    return replaced


def is_name(value: Any) -> bool:
    """Whether a value may be a part with default settings, written as its type alone."""
    return isinstance(value, str) and not value.startswith("${")

"""The layers of a config: a file, what it extends, its groups, laptop file and conditions, laid over each other.

The method at the root of `extends:` comes first and the file itself last, so that a file's keys win over all that it
extends. Each file brings, from the bottom up: its keys; the files of the groups that it introduces (`defaults:`); the
laptop file beside it, `../laptop/NAME.yaml`, where the choices match; its matching `when:` blocks.
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
    """One file of a method, taken apart.

    Args:
        path: the file.
        keys: what it sets, without the directives below.
        origins: dotted key -> where it stands.
        defaults: group -> choice, as the file proposes it.
        held: group -> choice whose content the keys hold already, of a resolved config that was written out; None in
            a file that people write.
        when: condition, such as "prior=sd15,sd21" -> what it changes.
    """

    path: Path
    keys: dict[str, Any]
    origins: Origins
    defaults: dict[str, str]
    held: dict[str, str] | None
    when: dict[str, dict[str, Any]]

    @property
    def choices(self) -> dict[str, str]:
        """Group -> choice, where nothing above this file chooses another."""
        return {**(self.held or {}), **self.defaults}


def read_files(path: Path, folder: str, above: tuple[Path, ...] = ()) -> list[MethodFile]:
    """The file and what it extends, the root first.

    Args:
        path: the file.
        folder: where the names of `extends:` are looked up, such as "methods".
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
        held=(keys.pop("groups") or {}) if "groups" in keys else None,
        when=keys.pop("when", None) or {},
    )
    if base is None:
        return [file]
    return [*read_files(paths.find_config(str(base), folder, "method"), folder, (*above, path)), file]


def compose(
    files: Iterable[MethodFile], groups: Mapping[str, str], swapped: Iterable[str]
) -> tuple[dict[str, Any], Origins]:
    """All layers of the files as plain data, and where each dotted key was written.

    Args:
        files: the root of `extends:` first.
        groups: group -> the choice that counts.
        swapped: groups that were chosen anew, whose content in a resolved config gives way.

    Raises:
        ConfigError: a choice or a condition that is not there.
    """
    data: dict[str, Any] = {}
    origins: Origins = {}
    introduced: set[str] = set()
    for file in files:
        lay(data, origins, file.keys, file.origins)
        for group in file.choices:
            if group in introduced:
                continue  # its content lies below this file's keys
            introduced.add(group)
            if group in swapped or (file.held or {}).get(group) != groups[group]:
                lay(data, origins, *load_yaml(paths.find_config(groups[group], paths.group_folder(group), group)))
        if file.held is None:
            _lay_laptop(data, origins, file, groups)
        _lay_conditions(data, origins, file, groups)
    return data, origins


def _lay_laptop(data: dict[str, Any], origins: Origins, file: MethodFile, groups: Mapping[str, str]) -> None:
    """Lay the laptop file beside a method over it, where `for: {GROUP: [CHOICE, ...]}` at its head says so."""
    path = paths.laptop_file(file.path)
    if path is None:
        return
    keys, places = load_yaml(path)
    choices = keys.pop("for", None)
    if not isinstance(choices, dict) or not choices:
        raise ConfigError(
            "a laptop file says what choices of a group it is for", key="for", file=display_path(path),
            hint="begin it with, for instance, for: {prior: [sd15]}",
        )  # fmt: skip
    for group in choices:
        _check_group(group, groups, f"for.{group}", places)
    if all(groups[group] in _listed(wanted) for group, wanted in choices.items()):
        lay(data, origins, keys, places)


def _lay_conditions(data: dict[str, Any], origins: Origins, file: MethodFile, groups: Mapping[str, str]) -> None:
    for condition, block in file.when.items():
        key = f"when.{condition}"
        group, _, choice = condition.partition("=")
        _check_group(group, groups, key, file.origins)
        if groups[group] in choice.split(","):
            places = {
                at.removeprefix(f"{key}."): origin for at, origin in file.origins.items() if at.startswith(f"{key}.")
            }
            lay(data, origins, block, places)


def _listed(choices: Any) -> list[Any]:
    return choices if isinstance(choices, list) else [choices]


def _check_group(group: str, groups: Mapping[str, str], key: str, origins: Origins) -> None:
    if group not in groups:
        origin = locate(origins, key) or Origin("")
        known = ", ".join(f"{name}=..." for name in groups) or "none"
        raise ConfigError(
            "not a condition on a group", key=key, file=origin.file, line=origin.line, hint=f"known: {known}"
        )


def lay(data: dict[str, Any], origins: Origins, top: dict[str, Any], places: Mapping[str, Origin]) -> None:
    """Lay `top`, written at `places`, over `data`; `origins` follow."""
    for replaced in merge(data, top):
        for key in [key for key in origins if key.startswith(f"{replaced}.")]:
            del origins[key]
    origins.update(places)


def merge(base: dict[str, Any], top: dict[str, Any], prefix: str = "") -> list[str]:
    """Lay `top` over `base` and return the dotted keys whose content was replaced rather than refined.

    A mapping refines the mapping below it, unless its `type` is another. Settings laid over a part that is only named
    are settings of that part.
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
    """Whether a value may be a part of default settings, written as its type alone."""
    return isinstance(value, str) and not value.startswith("${")

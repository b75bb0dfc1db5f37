"""Composition of a config from its layers: which key wins.

Later layers win: the files that a method extends, in the order of `extends:`, each after those that it extends itself;
then the method's own file. Each file contributes, later ones over earlier ones:

1. the files of the groups that it introduces in `defaults:`, under its keys if the choice is its own;
2. its keys; over them the file of a group for which another file or the command line chooses;
3. its laptop file `../laptop/NAME.yaml`, where the choices match;
4. its matching `when:` blocks.

So a file's keys win over all that it extends, laptop files and `when:` blocks included. The words of the command line
come last, in their order. `merging` says what one layer does to those below.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from maquette.config import paths
from maquette.config.merging import Origins, overlay
from maquette.config.method_files import MethodFile
from maquette.config.origins import error_at, load_yaml
from maquette.errors import ConfigError, did_you_mean
from maquette.files import display_path

_log = logging.getLogger(__name__)


def compose(
    files: Sequence[MethodFile], groups: Mapping[str, str], swapped: Iterable[str]
) -> tuple[dict[str, Any], Origins]:
    """Merge all layers of the files into plain data, with the origin of each dotted key.

    Args:
        files: those that are extended first.
        groups: group -> effective choice.
        swapped: groups whose choice is the command line's.

    Raises:
        ConfigError: a choice or a condition does not exist.
    """
    data: dict[str, Any] = {}
    origins: Origins = {}
    introduced: set[str] = set()
    chooser = {group: index for index, file in enumerate(files) for group in file.choices}
    chooser |= {group: len(files) for group in swapped}
    for index, file in enumerate(files):
        new = [group for group in file.choices if group not in introduced]
        own = [group for group in new if chooser[group] == index and file.resolved_groups is None]
        keys = {
            name: item for name, item in file.keys.items() if index >= chooser.get(name, 0) or name not in introduced
        }
        for group in own:
            overlay(data, origins, *_group_file(group, groups[group], file))
        overlay(data, origins, keys, file.origins)
        for group in new:
            if group not in own and (file.resolved_groups or {}).get(group) != groups[group]:
                overlay(data, origins, *_group_file(group, groups[group], files[min(chooser[group], len(files) - 1)]))
        introduced.update(new)
        if file.resolved_groups is None:
            _overlay_laptop(data, origins, file, groups)
        _overlay_conditions(data, origins, file, groups)
    return data, origins


def _group_file(group: str, choice: str, file: MethodFile) -> tuple[dict[str, Any], Origins]:
    here = file.path.absolute().parent if file.choices.get(group) == choice else None
    try:
        return load_yaml(paths.find_config(choice, paths.group_folder(group), group, here))
    except ConfigError as problem:
        if problem.file or here is None:
            raise
        raise error_at(problem.message, f"defaults.{group}", file.origins, problem.hint) from None


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
    for group, names in choices.items():
        _check_condition(group, _as_list(names), groups, f"for.{group}", laptop_origins, strict=False)
    if all(groups[group] in _as_list(names) for group, names in choices.items()):
        overlay(data, origins, keys, laptop_origins)


def _overlay_conditions(data: dict[str, Any], origins: Origins, file: MethodFile, groups: Mapping[str, str]) -> None:
    for condition, block in file.when.items():
        key = f"when.{condition}"
        group, _, text = condition.partition("=")
        choices = [choice.strip() for choice in text.split(",")]
        _check_condition(group.strip(), choices, groups, key, file.origins)
        if groups[group.strip()] in choices:
            block_origins = {
                at.removeprefix(f"{key}."): origin for at, origin in file.origins.items() if at.startswith(f"{key}.")
            }
            overlay(data, origins, block, block_origins)


def _as_list(choices: Any) -> list[Any]:
    return choices if isinstance(choices, list) else [choices]


def _check_condition(
    group: str, choices: Iterable[Any], groups: Mapping[str, str], key: str, origins: Origins, strict: bool = True
) -> None:
    """Raise ConfigError for a group that the method does not have, or a choice that does not exist; or warn of that."""
    if group not in groups:
        conditions = ", ".join(f"{name}=..." for name in groups) or "none"
        raise error_at("not a condition on a group", key, origins, f"known: {conditions}")
    available = paths.available(paths.group_folder(group))
    for choice in choices:
        if choice not in available and choice != groups[group] and not str(choice).endswith(paths.SUFFIXES):
            hint = f"{did_you_mean(str(choice), available, cutoff=0.4)}known: {', '.join(available) or 'none'}"
            problem = error_at(f"there is no {group} called {choice!r}", key, origins, hint)
            if strict:
                raise problem
            _log.warning("%s", problem)

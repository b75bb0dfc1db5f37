"""The words of the command line: `key=value`, `prior=sd15` and `~key`.

A value is YAML, and a mapping is merged as in a file (see `merging`); to replace one, take it out first:
`~stages.nerf.losses stages.nerf.losses={opacity: {}}`. The text of a prompt is taken as it is typed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maquette.config.merging import Origins, is_reference, overlay
from maquette.config.origins import TEXT_KEYS, Origin, parse_value
from maquette.config.references import Verbatim
from maquette.errors import ConfigError, did_you_mean

_log = logging.getLogger(__name__)
PROMPTS = ("prompt", "negative_prompt")


@dataclass(frozen=True)
class Setting:
    """One word of the command line that sets or removes a key.

    Args:
        key: dotted.
        value: plain data; texts in which `${` is no reference are `Verbatim`.
        remove: whether the key is taken out.
        origins: of the key and those within the value.
    """

    key: str
    value: Any = None
    remove: bool = False
    origins: Mapping[str, Origin] = field(default_factory=dict)


def parse_overrides(
    words: Sequence[str], groups: Mapping[str, str], folder: Path | None = None
) -> tuple[dict[str, str], list[Setting]]:
    """Split the words into choices of groups and settings.

    Args:
        folder: to which paths are relative; None: the working folder.

    Raises:
        ConfigError: a word is neither.
    """
    choices: dict[str, str] = {}
    settings: list[Setting] = []
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip()
        remove = key.startswith("~") and not equals
        if not (equals or remove) or not all(key.lstrip("~").split(".")):
            raise ConfigError(f"not an override: {word!r}", hint="write key=value, e.g. seed=1, or ~key to remove one")
        _check_encoding(key.lstrip("~"), word)
        if remove:
            settings.append(Setting(key[1:], remove=True))
        elif key in groups and not text.lstrip().startswith("{"):
            choices[key] = text
        else:
            settings.append(_parse(key, text, folder))
    return choices, settings


def apply_settings(data: dict[str, Any], origins: Origins, settings: Sequence[Setting]) -> None:
    """Merge the settings over the data, one after the other, with their origins.

    Raises:
        ConfigError: a setting is for a stage or variable that is not there, or a key to remove is not.
    """
    for setting in settings:
        _check_variable(data, setting.key)
        _check_stage(data, setting)
        _apply(data, origins, setting)


def _check_encoding(key: str, text: str) -> None:
    """Raise ConfigError for bytes of the command line that are no UTF-8, which Python hands over as surrogates."""
    if stray := next((letter for letter in text if 0xD800 <= ord(letter) <= 0xDFFF), None):
        raise ConfigError(
            f"the character {stray!a} is no text: the terminal or the file system does not write UTF-8",
            key=key if key.isprintable() else ascii(key), hint="type it in UTF-8",
        )  # fmt: skip


def _parse(key: str, text: str, folder: Path | None) -> Setting:
    source = Origin(f"override '{key}=...'", folder=folder)
    if key in TEXT_KEYS or key.rpartition(".")[2] in PROMPTS:
        if key in PROMPTS and text.startswith("[") and text.endswith("]"):
            _log.warning("%s: %s is one prompt, and not a list of them", key, text)
        return Setting(key, Verbatim(text), origins={key: source})
    value, within = parse_value(text, key)
    if isinstance(value, str) and not is_reference(value):
        value = Verbatim(value)
    typed = {at: replace(source, typed=origin.typed) for at, origin in within.items()}
    return Setting(key, value, origins={key: source, **typed})


def _apply(data: dict[str, Any], origins: Origins, setting: Setting) -> None:
    words = setting.key.split(".")
    node: Any = data
    index = _last_list(data, words)
    for word in words[:index]:
        node = node[int(word)] if isinstance(node, list) else node[word]
    if isinstance(node, list):
        if not words[index].isdigit() or int(words[index]) >= len(node):
            raise ConfigError(f"{words[index]!r} is not a place in a list of {len(node)}", key=setting.key)
        if index == len(words) - 1 and not setting.remove:
            node[int(words[index])] = setting.value
            origins.update(setting.origins)
            return
        raise ConfigError(
            "a value of a list has no keys that could be set", key=setting.key, hint="give the whole list"
        )
    rest = words[index:]
    nested: Any = {f"~{rest[-1]}": None} if setting.remove else {rest[-1]: setting.value}
    for word in reversed(rest[:-1]):
        nested = {word: nested}
    try:
        overlay(node, origins, nested, setting.origins)
    except ConfigError as problem:
        raise ConfigError(problem.message, key=setting.key, hint=problem.hint) from None


def _last_list(data: Any, words: Sequence[str]) -> int:
    """Number of words that lead to the innermost list or mapping in a list on the way to the last word; 0: none."""
    node, place = data, 0
    for number, word in enumerate(words[:-1], start=1):
        inside = isinstance(node, list)
        if inside and word.isdigit() and int(word) < len(node):
            node = node[int(word)]
        elif isinstance(node, dict) and word in node:
            node = node[word]
        else:
            break
        if isinstance(node, list) or (inside and isinstance(node, dict)):
            place = number
    return place


def _check_variable(data: dict[str, Any], key: str) -> None:
    """Raise ConfigError for an override of a variable that the method does not have."""
    variables = data.get("variables") or {}
    if key.startswith("variables.") and key.split(".")[1] not in variables:
        known_names = ", ".join(f"variables.{name}" for name in variables) or "none"
        raise ConfigError("this method has no such variable", key=key, hint=f"known: {known_names}")


def _check_stage(data: dict[str, Any], setting: Setting) -> None:
    """Raise ConfigError for an override inside a stage that the method does not have."""
    words, stages = setting.key.split("."), data.get("stages") or {}
    if len(words) > 2 and words[0] == "stages" and isinstance(stages, dict) and words[1] not in stages:
        hint = did_you_mean(words[1], stages, cutoff=0.4)
        raise ConfigError("this method has no such stage", key=setting.key, hint=f"{hint}known: {', '.join(stages)}")


def check_reach(groups: Mapping[str, str], choices: Mapping[str, str], settings: Sequence[Setting]) -> None:
    """Check that settings of a run's saved config reach its stages, in which all references are filled in.

    Raises:
        ConfigError: one does not.
    """
    for key in (*choices, *(setting.key for setting in settings)):
        first = key.partition(".")[0]
        if first == "variables" or first in groups:
            raise ConfigError(
                f"in the config of a run, what was ${{{first}}} is written out in each stage, out of reach",
                key=key, hint="set it in the stages, or run the method again with this choice",
            )  # fmt: skip


REFERRED = {
    "image": ("path", "image"), "video": ("video",), "data": ("path",), "dataset": ("path",),
    "heightmap": ("heightmap",), "labels": ("labels",), "style": ("style",), "path": ("path",),
    "prompt": ("prompt", "init"),
}  # fmt: skip
"""Top-level key -> keys within stages that may refer to it."""


def restore_references(data: dict[str, Any]) -> None:
    """Let the stages of a run's saved config refer to its picture, data and prompt again, so that others reach them."""
    for name, keys in REFERRED.items():
        if data.get(name):
            _refer(data.get("stages"), name, data[name], keys)


def _refer(node: Any, name: str, value: Any, keys: Sequence[str]) -> None:
    if not isinstance(node, dict):
        return
    for key, item in node.items():
        if key in keys and item == value:
            node[key] = f"${{{name}}}"
        _refer(item, name, value, keys)

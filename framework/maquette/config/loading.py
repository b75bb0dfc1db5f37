"""Loading of a method by name and command-line overrides into one typed, resolved configuration.

Later layers override earlier ones: all layers of the method that it `extends:`; the method file; group files
(`defaults:`); the laptop file; matching `when:` blocks; overrides. A mapping replaces the mapping below it instead of
merging with it if their `type` differs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import yaml

from maquette.config import paths
from maquette.config.layers import compose, is_name, merge, read_files
from maquette.config.origins import TEXT_KEYS, Origin, leaves, locate, parse_value
from maquette.config.parts import check, plain
from maquette.config.schema import MethodConfig
from maquette.errors import ConfigError, did_you_mean
from maquette.files import display_path

MISSING = "???"
KEYS = frozenset(field.name for field in fields(MethodConfig))
REQUIRABLE = ("prompt", "image", "data")  # keys that a method may require from its user
_REMOVED = object()
_REFERENCE = re.compile(r"\$\{([\w.-]+)\}")


@dataclass(frozen=True)
class ResolvedConfig:
    """A resolved method configuration, ready to run.

    Args:
        method: typed configuration.
        origins: dotted key -> origin of its value; keys without one hold defaults.
        groups: group -> chosen file, e.g. {"prior": "sd15"}.
        source: the method file, for messages.
    """

    method: MethodConfig
    origins: dict[str, Origin]
    groups: dict[str, str]
    source: str

    @property
    def plain(self) -> dict[str, Any]:
        """The whole configuration as plain data, including defaults."""
        return {**plain(self.method), "groups": dict(self.groups)}

    def origin(self, key: str) -> Origin:
        """Origin of the value of a dotted key; `Origin("default")` if it was not written."""
        named = self.origins.get(key.removesuffix(".type"))  # `renderer: volume` says a type, too
        return self.origins.get(key) or named or Origin("default")

    def to_yaml(self) -> str:
        """YAML that loads to the same configuration."""
        return yaml.safe_dump(_escape(self.plain), sort_keys=False, allow_unicode=True, width=110)


def load_method(name_or_path: str, overrides: Sequence[str] = (), folder: str = "methods") -> ResolvedConfig:
    """Load, compose, resolve and type-check a method.

    Args:
        name_or_path: a name under `configs/<folder>`, or a YAML file.
        overrides: `key=value` words; `prior=sd15` swaps a group file, `prior.path=...` sets one key in it, and
            `~stages.export` removes one.

    Raises:
        ConfigError: the configuration is invalid; raised before models are loaded.
    """
    path = paths.find_config(name_or_path, folder, "method" if folder == "methods" else "config")
    files = read_files(path, folder)
    groups = {group: choice for file in files for group, choice in file.choices.items()}
    chosen, settings = _split_overrides(overrides, groups)
    groups.update(chosen)
    data, origins = compose(files, groups, swapped=chosen)
    data.setdefault("name", path.stem)
    missing = [key for key in REQUIRABLE if data.get(key) == MISSING]
    texts: list[str] = []
    for key, value in settings:
        if value is _REMOVED:
            _remove(data, key)
        else:
            _check_variable(data, key)
            _check_stage(data, key)
            _set(data, key, _protect_text(value, texts), origins)
    data["groups"] = groups
    _copy_referenced_origins(data, origins)
    resolved = _restore_text(_interpolate(data, display_path(path)), texts)
    for key in missing:
        if not str(resolved.get(key) or "").strip():
            unknown = [word for word, _ in settings if word.partition(".")[0] not in KEYS]
            unknown_key = f" ({unknown[0]!r} is no key of a method)" if unknown else ""
            raise ConfigError(
                "missing value",
                key=key,
                file=display_path(path),
                hint=f'give it on the command line as {key}="..."{unknown_key}',
            )
    method = check(MethodConfig, resolved, "", lambda key: locate(origins, key))
    return ResolvedConfig(method, origins, groups, display_path(path))


def _split_overrides(overrides: Sequence[str], groups: dict[str, str]) -> tuple[dict[str, str], list[tuple[str, Any]]]:
    chosen: dict[str, str] = {}
    settings: list[tuple[str, Any]] = []
    for override in overrides:
        if override.startswith("~") and "=" not in override:
            settings.append((override[1:], _REMOVED))
            continue
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"not an override: {override!r}", hint="write key=value, e.g. seed=1")
        key = key.strip()
        if key in groups:
            chosen[key] = text
        elif key in TEXT_KEYS:
            settings.append((key, text))
        else:
            try:
                settings.append((key, parse_value(text)))
            except yaml.YAMLError as problem:
                raise ConfigError(f"cannot read the value {text!r}", key=key, hint="quote it") from problem
    return chosen, settings


def _check_variable(data: dict[str, Any], key: str) -> None:
    """Raise ConfigError for an override of a variable that the method does not have."""
    variables = data.get("variables") or {}
    if key.startswith("variables.") and key.split(".")[1] not in variables:
        known_names = ", ".join(f"variables.{name}" for name in variables) or "none"
        raise ConfigError("this method has no such variable", key=key, hint=f"known: {known_names}")


def _check_stage(data: dict[str, Any], key: str) -> None:
    """Raise ConfigError for an override inside a stage that the method does not have."""
    words, stages = key.split("."), list(data.get("stages") or {})
    if len(words) > 2 and words[0] == "stages" and words[1] not in stages:
        hint = did_you_mean(words[1], stages, cutoff=0.4)
        raise ConfigError("this method has no such stage", key=key, hint=f"{hint}known: {', '.join(stages)}")


def _set(data: dict[str, Any], key: str, value: Any, origins: dict[str, Origin]) -> None:
    words = key.split(".")
    nested: Any = value
    for word in reversed(words[1:]):
        nested = {word: nested}
    node: Any = data
    for depth, word in enumerate(words[:-1]):
        below = node.get(word) if isinstance(node, dict) else node[int(word)] if _is_index(node, word) else None
        if is_name(below) and depth > 0:
            node[word] = below = {"type": below}
        if not isinstance(below, (dict, list)):
            if not isinstance(node, dict):
                raise ConfigError(f"{word!r} is not a place in a list", key=key)
            node[word] = below = {}
        node = below
    last = words[-1]
    if isinstance(node, list):
        if not _is_index(node, last):
            raise ConfigError(f"{last!r} is not a place in a list of {len(node)}", key=key)
        node[int(last)] = value
    elif isinstance(value, dict) and isinstance(node.get(last), dict):
        merge(node, {last: value})
    else:
        node[last] = value
    origins[key] = Origin(f"override '{key}=...'")


def _remove(data: dict[str, Any], key: str) -> None:
    parent, _, last = key.rpartition(".")
    node: Any = data
    for word in parent.split(".") if parent else []:
        node = node.get(word) if isinstance(node, dict) else None
    if not isinstance(node, dict) or last not in node:
        keys = ", ".join(node) if isinstance(node, dict) else ""
        raise ConfigError("there is nothing to remove", key=key, hint=f"known here: {keys or 'nothing'}")
    del node[last]


def _is_index(node: Any, word: str) -> bool:
    return isinstance(node, list) and word.isdigit() and int(word) < len(node)


def _protect_text(value: Any, texts: list[str]) -> Any:
    """Replace command-line text by a placeholder, so that interpolation does not change it."""
    if isinstance(value, str):
        texts.append(value)
        return f"\ue000{len(texts) - 1}\ue001"
    return value


def _restore_text(value: Any, texts: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _restore_text(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [_restore_text(item, texts) for item in value]
    if isinstance(value, str):
        for index, text in enumerate(texts):
            value = value.replace(f"\ue000{index}\ue001", text)
    return value


def _copy_referenced_origins(data: dict[str, Any], origins: dict[str, Origin]) -> None:
    """Copy the origins of the keys below OTHER to those that `KEY: ${OTHER}` interpolates."""
    for key, value in leaves(data).items():
        reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if reference:
            below = f"{reference[1]}."
            for at in [at for at in origins if at.startswith(below)]:
                origins.setdefault(f"{key}.{at.removeprefix(below)}", origins[at])


def _interpolate(data: dict[str, Any], file: str) -> dict[str, Any]:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    for key in REQUIRABLE:  # '???' would stop the resolver; it is reported by name later
        if data.get(key) == MISSING:
            data[key] = ""
    try:
        result: Any = OmegaConf.to_container(OmegaConf.create(data), resolve=True)
    except (OmegaConfBaseException, RecursionError) as problem:
        key = str(getattr(problem, "full_key", "") or "")
        message = str(problem).split("\n")[0]
        if isinstance(problem, RecursionError) or "ecursi" in message:
            message = "this interpolation refers to itself in a circle"
        raise ConfigError(message, key=key, file=file) from None
    return result


def _escape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escape(item) for item in value]
    return value.replace("${", "\\${") if isinstance(value, str) else value

"""Parts of one kind with `NAME.key=value` words over their settings, as `export` and `measure` take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from maquette import registry
from maquette.config.origins import Origin, locate
from maquette.config.overrides import apply_settings, parse_overrides
from maquette.config.parts import PartSpec, check, plain
from maquette.config.references import resolve_references
from maquette.errors import ConfigError, did_you_mean


def configure_parts(expected: Any, parts: Mapping[str, Mapping[str, Any]], words: Sequence[str]) -> dict[str, PartSpec]:
    """Typed parts of plain settings, with words of the command line over them.

    Args:
        expected: the type of each, such as `ExporterSpec`.
        parts: name -> settings, `type` among them.
        words: `NAME.key=value` changes a setting, `~NAME` leaves a part out.

    Raises:
        ConfigError: a word names no part or no key of one, or a value is wrong; it says which are possible.
    """
    data, origins = deepcopy({name: dict(settings) for name, settings in parts.items()}), dict[str, Origin]()
    settings = parse_overrides(words, {})[1]
    for setting in settings:
        if setting.key.partition(".")[0] not in data:
            raise ConfigError("there is nothing of this name here", key=setting.key, hint=_possible(setting.key, data))
    apply_settings(data, origins, settings)
    resolved = resolve_references(data, origins)
    return {name: check(expected, item, name, lambda key: locate(origins, key)) for name, item in resolved.items()}


def default_settings(kind: str, name: str) -> dict[str, Any]:
    """The settings of a part as plain data: its type, and all defaults if no setting lacks one."""
    try:
        return {"type": name, **plain(registry.get(kind, name).Config())}
    except TypeError:  # a setting without a default is asked for when the settings are checked
        return {"type": name}


def _possible(key: str, data: Mapping[str, Mapping[str, Any]]) -> str:
    keys = [f"{name}.{inner}" for name, settings in data.items() for inner in settings if inner != "type"]
    return f"{did_you_mean(key, keys)}possible: {', '.join(keys) or 'none'}"

"""Method files of other programs, `SCHEME:PATH`, which the readers of plugins turn into keys of ours."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maquette import plugins
from maquette.config.merging import Origins
from maquette.config.origins import Origin, leaves
from maquette.errors import ConfigError, PluginError, did_you_mean
from maquette.files import display_path
from maquette.loaded import Loaded
from maquette.plugins.isolation import failing_as

_FOREIGN = re.compile(r"((?:[\w.-]+/)?[A-Za-z][\w.-]+):(.+)")


def read_foreign(name: str) -> tuple[Path, Loaded[Any]] | None:
    """The file of `SCHEME:PATH` and what its reader makes of it; None: the name is no such text, or one of a file.

    Raises:
        ConfigError: no plugin reads the scheme, or several do; or there is no such file.
        PluginError: the reader fails, or gives no keys.
    """
    match = _FOREIGN.fullmatch(name)
    if match is None or os.path.exists(name):
        return None
    scheme, path = match[1], Path(os.path.expanduser(match[2]))
    offers = plugins.readers()
    read = offers.find(scheme)
    if read is None:
        schemes = [f"{offered}:" for offered in offers.listed()]
        hint = f"{did_you_mean(f'{scheme}:', schemes)}plugins read: {', '.join(schemes) or 'none'}"
        raise ConfigError(f"there is no file {name}, and no plugin that reads {scheme}: files", hint=hint)
    if not path.exists():
        raise ConfigError(f"there is no such file: {path}")
    plugin = next(plugin for plugin in plugins.installed() if read in plugin.hooks.readers.values())
    title = f"reader {scheme!r} of plugin {plugin.title}"
    with failing_as(f"{title} fails on {path}", plugin.folder):
        loaded = read(path)
    if not isinstance(loaded, Loaded) or not isinstance(loaded.value, Mapping):
        raise PluginError(f"{title} gives no maquette.loaded.Loaded of a mapping, but {type(loaded).__name__}")
    return path, loaded


def foreign_keys(path: Path, loaded: Loaded[Any]) -> tuple[dict[str, Any], Origins]:
    """The keys that a reader made of a file, and their origins; what it left out is logged."""
    keys = copy.deepcopy(dict(loaded.unwrap(display_path(path))))
    origin = Origin(display_path(path), display_path(path), folder=path.absolute().parent)
    return keys, dict.fromkeys([*keys, *leaves(keys)], origin)

"""What a method or suite says of itself, for lists."""

from __future__ import annotations

import logging
from pathlib import Path

from maquette import plugins
from maquette.config.origins import load_yaml
from maquette.errors import ConfigError

_log = logging.getLogger(__name__)


def summary_of(path: Path) -> str:
    """The `summary` of a config file; of one that cannot be read, that, with a warning that names its plugin."""
    try:
        return str(load_yaml(path)[0].get("summary", ""))
    except ConfigError as problem:
        owner = plugins.owner_of(path)
        _log.warning("%s%s", f"plugin {owner.title}: " if owner else "", problem)
        return "cannot be read"

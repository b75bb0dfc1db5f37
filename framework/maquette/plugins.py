"""Plugins: packages that declare parts, configs and weights through the `maquette.plugins` entry point.

A plugin is a module (or object) with some of the hooks below, each marked `@maquette.plugins.hookimpl`. One that fails
to import, or whose hook fails, is named in a warning and skipped; nothing else suffers.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pluggy

from maquette import registry

_log = logging.getLogger(__name__)

GROUP = "maquette.plugins"
hookspec = pluggy.HookspecMarker("maquette")
hookimpl = pluggy.HookimplMarker("maquette")


class Hooks:
    """What a plugin may implement. All hooks are optional."""

    @hookspec
    def maquette_parts(self) -> Sequence[tuple[str, str, str]]:
        """Parts as (kind, name, "package.module:Class"); nothing is imported until a config names them."""
        raise NotImplementedError

    @hookspec
    def maquette_configs(self) -> Path:
        """A folder laid out like `configs/` (methods/, laptop/, priors/, training/, suites/)."""
        raise NotImplementedError

    @hookspec
    def maquette_weights(self) -> dict[str, Path]:
        """Names -> folders of weights that the package carries; a prior's `path` may be such a name."""
        raise NotImplementedError


@dataclass
class _Discovered:
    manager: pluggy.PluginManager | None = None
    failures: dict[str, str] = field(default_factory=dict)
    loaded: dict[str, str] = field(default_factory=dict)


_found = _Discovered()


def load() -> pluggy.PluginManager:
    """Discover plugins once; later calls return at once. Returns pluggy's manager."""
    if _found.manager is not None:
        return _found.manager
    manager = pluggy.PluginManager("maquette")
    manager.add_hookspecs(Hooks)
    _found.manager = manager
    disabled = {name.strip() for name in os.environ.get("MAQUETTE_DISABLE_PLUGINS", "").split(",")}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name in disabled or manager.has_plugin(entry.name):
            continue
        _load_one(manager, entry)
    return manager


def _load_one(manager: pluggy.PluginManager, entry: EntryPoint) -> None:
    distribution = entry.dist.name if entry.dist else entry.name
    try:
        plugin = entry.load()
        manager.register(plugin, name=entry.name)
        caller = manager.subset_hook_caller("maquette_parts", [p for p in manager.get_plugins() if p is not plugin])
        for parts in caller():
            for kind, name, target in parts:
                registry.add(kind, name, target, distribution)
    except Exception as problem:  # a plugin may fail in any way; that must not stop the rest
        if manager.has_plugin(entry.name):
            manager.unregister(name=entry.name)
        _found.failures[distribution] = f"{type(problem).__name__}: {problem}"
        _log.warning("plugin %s is skipped: %s", distribution, _found.failures[distribution])
        return
    _found.loaded[entry.name] = distribution


def loaded() -> dict[str, str]:
    """Entry-point name -> distribution of every working plugin."""
    load()
    return dict(_found.loaded)


def failures() -> dict[str, str]:
    """Distribution -> reason of every plugin that was skipped."""
    load()
    return dict(_found.failures)


def config_folders() -> list[Path]:
    """Config folders that plugins bring."""
    return [Path(folder) for folder in load().hook.maquette_configs()]


def weights() -> dict[str, Path]:
    """All named weights that plugins carry."""
    return {name: Path(path) for named in load().hook.maquette_weights() for name, path in named.items()}


def reload() -> None:
    """Forget what was discovered, so that the next use looks again (for tests and long-lived processes)."""
    importlib.invalidate_caches()
    registry.forget_declared()
    _found.manager = None
    _found.failures = {}
    _found.loaded = {}
    load()

"""Plugins: packages that declare parts, configs and weights through the `maquette.plugins` entry point.

A plugin is a module (or object) with some of the hooks below, each marked `@maquette.plugins.hookimpl`. A plugin
that fails to import, or has a failing hook, is skipped with a warning that names it.
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
    """The hooks that a plugin can implement, all optional."""

    @hookspec
    def maquette_parts(self) -> Sequence[tuple[str, str, str]]:
        """Parts as (kind, name, "package.module:Class"); a class is imported when a config names it."""
        raise NotImplementedError

    @hookspec
    def maquette_configs(self) -> Path:
        """A folder with the layout of `configs/` (methods/, laptop/, priors/, training/, suites/)."""
        raise NotImplementedError

    @hookspec
    def maquette_weights(self) -> dict[str, Path]:
        """Name -> folder of the weights that the package contains; a prior's `path` may be such a name."""
        raise NotImplementedError


@dataclass
class _Discovered:
    manager: pluggy.PluginManager | None = None
    failures: dict[str, str] = field(default_factory=dict)
    loaded: dict[str, str] = field(default_factory=dict)


_discovered = _Discovered()


def load() -> pluggy.PluginManager:
    """Load all plugins on the first call; returns pluggy's manager."""
    if _discovered.manager is not None:
        return _discovered.manager
    manager = pluggy.PluginManager("maquette")
    manager.add_hookspecs(Hooks)
    _discovered.manager = manager
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
        _discovered.failures[distribution] = f"{type(problem).__name__}: {problem}"
        _log.warning("plugin %s is skipped: %s", distribution, _discovered.failures[distribution])
        return
    _discovered.loaded[entry.name] = distribution


def loaded() -> dict[str, str]:
    """Entry-point name -> distribution of every loaded plugin."""
    load()
    return dict(_discovered.loaded)


def failures() -> dict[str, str]:
    """Distribution -> reason, of every skipped plugin."""
    load()
    return dict(_discovered.failures)


def config_folders() -> list[Path]:
    """Config folders of all plugins."""
    return [Path(folder) for folder in load().hook.maquette_configs()]


def weights() -> dict[str, Path]:
    """Name -> folder of the weights of all plugins."""
    return {name: Path(path) for named in load().hook.maquette_weights() for name, path in named.items()}


def reload() -> None:
    """Discover and load all plugins again (for tests and long-lived processes)."""
    importlib.invalidate_caches()
    registry.forget_declared()
    _discovered.manager = None
    _discovered.failures = {}
    _discovered.loaded = {}
    load()

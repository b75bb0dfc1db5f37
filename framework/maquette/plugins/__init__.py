"""Plugins: packages that declare parts in a manifest, and register configs, weights, commands and more.

A plugin is a package with the file `maquette-plugin.toml` and an entry point in the group `maquette.plugins`. The
manifest declares its parts and is read without importing the package; a function `register(hooks)` is for what is more
than a part. A plugin that fails in any way is skipped with a warning that names it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path

from maquette import registry
from maquette.plugins.discovery import GROUP, VARIABLE, Plugin, declare_parts, discover
from maquette.plugins.hooks import HOOKS, Hooks, KernelBackend
from maquette.plugins.manifest import API_VERSION, FILE, Manifest, PartEntry, read_manifest

__all__ = [
    "API_VERSION", "FILE", "GROUP", "HOOKS", "VARIABLE", "Hooks", "KernelBackend", "Manifest", "PartEntry", "Plugin",
    "config_folders", "failures", "installed", "load", "loaded", "read_manifest", "reload", "weights",
]  # fmt: skip


@dataclass
class _State:
    plugins: list[Plugin] | None = None
    weights: dict[str, Path] = field(default_factory=dict)


_state = _State()


def load() -> list[Plugin]:
    """Discover all plugins on the first call, and declare their parts; returns them, those that failed included."""
    if _state.plugins is None:
        _state.plugins = discover()
        declare_parts(_state.plugins)
    return _state.plugins


def installed() -> list[Plugin]:
    """All plugins, those that failed included."""
    return list(load())


def loaded() -> dict[str, str]:
    """Entry-point name -> distribution of every plugin that works."""
    return {plugin.name: plugin.distribution for plugin in load() if not plugin.failure}


def failures() -> dict[str, str]:
    """Distribution -> reason, of every skipped plugin."""
    return {plugin.distribution: plugin.failure for plugin in load() if plugin.failure}


def config_folders() -> list[Path]:
    """Config folders of all plugins."""
    return [folder for plugin in load() for folder in plugin.hooks.config_folders]


def weights() -> dict[str, Path]:
    """Name -> folder of the weights of all plugins."""
    return {name: folder for plugin in load() for name, folder in plugin.hooks.weight_folders.items()}


def reload() -> None:
    """Discover all plugins again (for tests and long-lived processes)."""
    importlib.invalidate_caches()
    registry.forget_declared()
    _state.plugins = None
    load()

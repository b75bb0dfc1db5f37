"""Plugins: packages that declare parts in a manifest, and register configs, weights, commands and more.

A plugin is a package with the file `maquette-plugin.toml` and an entry point in the group `maquette.plugins`. The
manifest declares its parts and is read without importing the package; a function `register(hooks)` is for what is more
than a part. A plugin that fails in any way is skipped with a warning that names it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette import registry
from maquette.errors import PluginError
from maquette.plugins import attribution
from maquette.plugins.attribution import naming
from maquette.plugins.discovery import GROUP, VARIABLE, Plugin, declare_parts, discover
from maquette.plugins.hooks import HOOKS, Hooks, KernelBackend
from maquette.plugins.manifest import API_VERSION, FILE, Manifest, PartEntry, read_manifest
from maquette.plugins.names import Offers

__all__ = [
    "API_VERSION", "FILE", "GROUP", "HOOKS", "VARIABLE", "Hooks", "KernelBackend", "Manifest", "Offers", "PartEntry",
    "Plugin", "attribute", "commands", "config_folders", "conversions", "failures", "find_weights", "installed",
    "load", "loaded", "naming", "owner_of", "read_manifest", "readers", "reload", "weights",
]  # fmt: skip

_log = logging.getLogger(__name__)


@dataclass
class _State:
    plugins: list[Plugin] | None = None
    backends: bool = False  # whether plugins offer backends of kernels


_state = _State()


def load() -> list[Plugin]:
    """Discover all plugins on the first call, and put what they offer into effect.

    Returns:
        All plugins, those that failed included.
    """
    if _state.plugins is None:
        _state.plugins = [declare_parts(plugin) for plugin in discover()]
        for offers in (_weights(), readers()):
            for sentence in offers.clashes():
                _log.warning("%s", sentence)
        _offer_kernel_backends(_state.plugins)
    return _state.plugins


def _offer_kernel_backends(plugins: list[Plugin]) -> None:
    if not any(plugin.hooks.kernel_backends for plugin in plugins) and not _state.backends:
        return
    from maquette.kernels.backends import BACKENDS, Backend, offer_backends

    by_kernel: dict[str, list[tuple[str, str, Backend]]] = {}
    for plugin in plugins:
        for added in plugin.hooks.kernel_backends:
            install = f"pip install {added.requires}"
            backend = Backend(added.module, added.devices, added.requires, install, note=f"of plugin {plugin.title}")
            by_kernel.setdefault(added.kernel, []).append((plugin.distribution, added.name, backend))
    backends = {}
    for kernel, offered in by_kernel.items():
        offers = Offers(f"backend of kernel {kernel!r},", offered, BACKENDS)
        for sentence in offers.clashes():
            _log.warning("%s", sentence)
        backends.update({(kernel, name): backend for name, backend in offers.listed().items()})
    offer_backends(backends)
    _state.backends = bool(backends)


def reload() -> None:
    """Discover all plugins again (for tests and long-lived processes)."""
    importlib.invalidate_caches()
    registry.forget_declared()
    _state.plugins = None
    load()


def installed() -> list[Plugin]:
    """All plugins, those that failed included."""
    return list(load())


def loaded() -> dict[str, str]:
    """Entry-point name -> distribution of every plugin that works; of two of one name, `distribution/name`."""
    offers = Offers("plugin", [(plugin.distribution, plugin.name, plugin) for plugin in load() if not plugin.failure])
    return {name: plugin.distribution for name, plugin in offers.listed().items()}


def failures() -> dict[str, str]:
    """Distribution -> reason, of every skipped plugin."""
    return {plugin.distribution: plugin.failure for plugin in load() if plugin.failure}


def config_folders() -> dict[Path, str]:
    """Config folder -> distribution of all plugins."""
    return {folder: plugin.distribution for plugin in load() for folder in plugin.hooks.config_folders}


def weights() -> dict[str, Path]:
    """Name -> folder of the weights of all plugins; a name that several offer stands as `distribution/name`."""
    return _weights().listed()


def find_weights(name: str) -> Path | None:
    """Folder of a plugin's weights by their name or `distribution/name`; None: no plugin has them.

    Raises:
        ConfigError: several plugins have weights of that name.
    """
    return _weights().find(name)


def _weights() -> Offers[Path]:
    entries = [(plugin, item) for plugin in load() for item in plugin.hooks.weight_folders.items()]
    return Offers("weights", [(plugin.distribution, name, folder) for plugin, (name, folder) in entries])


def readers() -> Offers[Callable[[Path], Any]]:
    """Readers of foreign method files, by scheme."""
    entries = [(plugin, item) for plugin in load() for item in plugin.hooks.readers.items()]
    return Offers("reader", [(plugin.distribution, scheme, read) for plugin, (scheme, read) in entries])


def commands(taken: Collection[str]) -> Offers[Any]:
    """Commands of plugins by name.

    Args:
        taken: names of maquette's own commands.
    """
    entries = [(plugin, item) for plugin in load() for item in plugin.hooks.commands.items()]
    return Offers("command", [(plugin.distribution, name, command) for plugin, (name, command) in entries], taken)


def conversions() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """(Form of the source, geometry that it becomes) -> (distribution, "package.module:function") of each offer."""
    offers: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for plugin in load():
        for pair, target in plugin.hooks.conversions.items():
            offers.setdefault(pair, []).append((plugin.distribution, target))
    return offers


def attribute(problem: BaseException) -> PluginError | None:
    """The error that names the plugin or local file whose code raised an exception; None: it was none."""
    return attribution.attribute(problem, _state.plugins or ())


def owner_of(path: Path) -> Plugin | None:
    """The plugin in whose config folders a file lies; None: it is no plugin's."""
    place = path.resolve()
    for plugin in load():
        if any(place.is_relative_to(folder.resolve()) for folder in plugin.hooks.config_folders):
            return plugin
    return None

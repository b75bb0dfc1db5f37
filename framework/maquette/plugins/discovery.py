"""Discovery: the installed plugins, what each declares and registers, and which of them failed and why.

What a plugin declares and registers is staged, and takes effect when all of it is in order: a plugin works whole or
not at all, and the others work either way.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import EntryPoint, distributions, entry_points
from pathlib import Path
from typing import Any

from maquette import registry
from maquette.errors import ConfigError, PluginError, did_you_mean
from maquette.files import display_path
from maquette.plugins.hooks import Hooks
from maquette.plugins.isolation import isolated
from maquette.plugins.manifest import FILE, Manifest, PartEntry, read_manifest
from maquette.registry import BUILT_IN, Declaration

_log = logging.getLogger("maquette.plugins")

GROUP = "maquette.plugins"
VARIABLE = "MAQUETTE_PLUGINS"


@dataclass(frozen=True)
class Plugin:
    """An installed plugin.

    Args:
        name: of its entry point.
        distribution, version: of the package that pip installed.
        package: the importable package that has the manifest.
        folder: of the package; None: it was not found.
        manifest: what it declares; None: it could not be read.
        hooks: what it registered.
        failure: why it is skipped; "": it works.
    """

    name: str
    distribution: str
    version: str
    package: str
    folder: Path | None = None
    manifest: Manifest | None = None
    hooks: Hooks = field(default_factory=Hooks)
    failure: str = ""

    @property
    def title(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}".rstrip()


def discover() -> list[Plugin]:
    """Find all plugins that `MAQUETTE_PLUGINS` lets in, and load each in isolation; nothing takes effect.

    Raises:
        ConfigError: the value of `MAQUETTE_PLUGINS` is neither "none" nor "only:NAME,...".
    """
    entries = [_named(entry) for entry in _entry_points()]
    packages: dict[tuple[str, str], Plugin] = {}
    for plugin in _chosen(sorted(entries, key=lambda plugin: (plugin.distribution, plugin.name))):
        first = packages.setdefault((plugin.distribution, plugin.package), plugin)
        if first is not plugin:
            _log.warning(
                "plugin %s names its package %s by two entry points, %r and %r; the second is left out",
                plugin.title, plugin.package, first.name, plugin.name,
            )  # fmt: skip
    plugins = [_load_one(plugin) for plugin in packages.values()]
    counts = Counter(plugin.name for plugin in plugins)
    for name in [name for name, count in counts.items() if count > 1]:
        owners = [plugin.title for plugin in plugins if plugin.name == name]
        _log.warning(
            "entry point %r is of %s; both are plugins, by the names of their distributions", name, _and(owners)
        )
    return plugins


def declare_parts(plugin: Plugin) -> Plugin:
    """Declare the parts of a plugin in the registry, and warn of names that another source offers as well.

    Returns:
        The plugin, with a failure if another entry point of its distribution has declared one of the parts.
    """
    parts = plugin.manifest.parts if plugin.manifest is not None else ()
    for part in parts:
        if plugin.distribution in registry.sources(part.kind, part.name):
            return _skipped(plugin, f"{plugin.distribution} declares {part.kind} {part.name!r} twice")
    for part in parts:
        is_its_own = registry.is_defined_in(part.kind, part.name, plugin.package)  # its module was imported before
        others = [] if is_its_own else registry.sources(part.kind, part.name)
        declaration = Declaration(
            part.kind, part.name, plugin.distribution, part.target, partial(import_part, plugin, part), part.summary,
            f"plugin {plugin.title}", plugin.folder, needs=part.needs,
        )  # fmt: skip
        registry.declare(declaration)
        if others == [BUILT_IN]:
            name = f"{plugin.distribution}/{part.name}"
            _log.warning("%s has the name of a built-in part; it goes by %s", declaration.title, name)
        elif others:
            owners = [*others, plugin.distribution]
            names = " or ".join(f"{owner}/{part.name}" for owner in owners)
            _log.warning("%s %r is offered by plugins %s; say which: %s", part.kind, part.name, _and(owners), names)
    return plugin


def import_part(plugin: Plugin, part: PartEntry) -> type:
    """Import the class of a plugin's part, in isolation.

    Raises:
        PluginError: it cannot be imported, is no class, or does not fulfil the contract of its kind.
    """
    what = f"{part.kind} {part.name!r} of plugin {plugin.title} cannot be used"
    with isolated(what, plugin.folder, _place(plugin, part)), registry.collecting():
        module_name, _, attribute = part.target.partition(":")
        module = importlib.import_module(module_name)
        if not isinstance(cls := getattr(module, attribute, None), type):
            raise PluginError(f"{part.target}, the target, is no class")
        return registry.register(part.kind, part.name)(cls)


def _place(plugin: Plugin, part: PartEntry) -> str:
    """The line of the manifest that declares a part."""
    return f"{display_path(plugin.manifest.path)}:{part.line}" if plugin.manifest is not None else ""


def candidates() -> list[Plugin]:
    """All plugins that `MAQUETTE_PLUGINS` lets in, of which nothing has been read or run."""
    return _chosen([_named(entry) for entry in _entry_points()])


def _chosen(entries: list[Plugin]) -> list[Plugin]:
    """The plugins that `MAQUETTE_PLUGINS` lets in."""
    setting = os.environ.get(VARIABLE, "").strip()
    if setting in ("", "none"):
        return [] if setting else entries
    if not setting.startswith("only:"):
        raise ConfigError(f"{VARIABLE} is none, or only:NAME,NAME, and not {setting!r}")
    names = [name.strip() for name in setting.removeprefix("only:").split(",") if name.strip()]
    available = {name for entry in entries for name in (entry.name, entry.distribution)}
    for name in names:
        if name not in available:
            hint = f"{did_you_mean(name, available)}installed: {', '.join(sorted(available)) or 'none'}"
            _log.warning("%s: there is no plugin called %r; %s", VARIABLE, name, hint)
    return [entry for entry in entries if entry.name in names or entry.distribution in names]


def _entry_points() -> list[EntryPoint]:
    """The entry points of all distributions; one whose metadata are damaged is named and left out."""
    with suppress(Exception):  # the quick way reads all or none
        return list(entry_points(group=GROUP))
    entries: list[EntryPoint] = []
    for distribution in distributions():
        try:
            entries += distribution.entry_points.select(group=GROUP)
        except Exception as problem:
            place = getattr(distribution, "_path", "a distribution")
            _log.warning("the entry points of %s cannot be read: %s: %s", place, type(problem).__name__, problem)
    return entries


def _named(entry: EntryPoint) -> Plugin:
    """The plugin of an entry point, of which nothing has been read."""
    with suppress(Exception):  # a dist-info folder may be damaged in any way
        metadata: Any = entry.dist.metadata if entry.dist else {}  # is parsed anew each time
        return Plugin(entry.name, metadata.get("Name") or entry.name, metadata.get("Version") or "", entry.module)
    return Plugin(entry.name, entry.name, "", entry.value.partition(":")[0].strip())


def _load_one(plugin: Plugin) -> Plugin:
    """The plugin with its manifest and what it registers, or with its failure."""
    try:
        with isolated(f"plugin {plugin.title}"):
            folder = package_folder(plugin.package)
            manifest = read_manifest(folder / FILE)
        hooks = _registered(plugin, folder, manifest)
    except PluginError as problem:
        return _skipped(plugin, str(problem).removeprefix(f"plugin {plugin.title}: "))
    return replace(plugin, folder=folder, manifest=manifest, hooks=hooks)


def _skipped(plugin: Plugin, reason: str) -> Plugin:
    """The plugin as one that failed: it declares and registers nothing."""
    _log.warning("plugin %s is skipped: %s", plugin.title, reason)
    return Plugin(plugin.name, plugin.distribution, plugin.version, plugin.package, failure=reason)


def _registered(plugin: Plugin, folder: Path, manifest: Manifest) -> Hooks:
    """What the plugin's function `register` adds."""
    hooks = Hooks()
    if manifest.register:
        module_name, _, attribute = manifest.register.partition(":")
        with isolated(f"plugin {plugin.title}", folder), registry.collecting():
            module = importlib.import_module(module_name)
            register: Any = getattr(module, attribute, None)
            if not callable(register):
                raise PluginError(f"{manifest.register} is no function; {FILE} names it under 'register'")
            register(hooks)
    return hooks


def package_folder(package: str) -> Path:
    """The folder of a package, which is not imported.

    Raises:
        PluginError: there is none; a module in one file is none.
    """
    top, *inner = package.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise PluginError(f"its entry point names the package {package}, which is not installed")
    for location in spec.submodule_search_locations or ():
        folder = Path(location)
        for name in inner:
            folder = folder / name if (folder / name).is_dir() else folder
        if (folder / FILE).is_file() or spec.origin:
            return folder
    raise PluginError(f"its entry point names {package}, which is no package with a file {FILE}")


def _and(names: Iterable[str]) -> str:
    return " and ".join(names)

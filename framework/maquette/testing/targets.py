"""What `maquette plugin check` checks: the parts of an installed plugin, of a package's folder, or of local files."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette import plugins, registry
from maquette.errors import ConfigError, PluginError, did_you_mean
from maquette.plugins import FILE, read_manifest
from maquette.plugins.discovery import candidates, package_folder
from maquette.plugins.isolation import isolated
from maquette.plugins.local import SOURCE, import_files, read_files

SKIPPED = (".venv", "venv", "build", "dist", "node_modules", ".git", "tests")


@dataclass(frozen=True)
class Target:
    """One part to be checked, and where its class is.

    Args:
        kind, name: of the part.
        place: "plugin DISTRIBUTION", "package FOLDER" (which holds the importable package) or "file PATH".
        target: "package.module:Class", or the class within the file; empty for an installed plugin.
    """

    kind: str
    name: str
    place: str
    target: str = ""

    def load(self) -> Any:
        """The class; imports it."""
        form, _, place = self.place.partition(" ")
        if form == "plugin":
            plugins.load()
            return registry.get(self.kind, f"{place}/{self.name}")
        if form == "package":
            sys.path.insert(0, place)
            module, _, attribute = self.target.partition(":")
            return registry.register(self.kind, self.name)(getattr(importlib.import_module(module), attribute))
        import_files(read_files([Path(place)]))
        return registry.get(self.kind, f"{SOURCE}/{self.name}")


def find_targets(words: str) -> list[Target]:
    """The parts of an installed plugin by its name, or of a folder or file; nothing is imported.

    Raises:
        ConfigError: there is no such plugin, or the folder or file has no parts.
        PluginError: its manifest is wrong.
    """
    path = Path(words).expanduser()
    installed = candidates()  # the child alone runs their code
    matching = [one for one in installed if words in (one.name, one.distribution)]
    if len(owners := {one.distribution for one in matching}) > 1:
        hint = f"give the distribution: {' or '.join(sorted(owners))}"
        raise ConfigError(f"{len(owners)} plugins are called {words!r}", hint=hint)
    if matching:
        return _of_plugin(matching[0])
    if not path.exists():
        names = sorted({name for one in installed for name in (one.name, one.distribution)})
        hint = f"{did_you_mean(words, names)}installed: {', '.join(names) or 'none'}"
        raise ConfigError(f"there is no plugin, folder or file called {words!r}", hint=hint)
    targets = list(_of_files(path.resolve()))
    if not targets:
        raise ConfigError(
            f"{path} has no parts",
            hint=f'declare them in {FILE}, or decorate their classes with @register("loss", "x")',
        )
    return targets


def _of_plugin(plugin: plugins.Plugin) -> list[Target]:
    place = f"plugin {plugin.distribution}"
    with isolated(f"plugin {plugin.title}"):
        manifest = read_manifest(package_folder(plugin.package) / FILE)
    if not manifest.parts:
        raise ConfigError(f"plugin {plugin.title} has no parts to check", hint=f"{FILE} declares them")
    return [Target(part.kind, part.name, place, part.target) for part in manifest.parts]


def _of_files(path: Path) -> Iterator[Target]:
    manifests = sorted(one for one in path.rglob(FILE) if _relevant(one, path)) if path.is_dir() else []
    for manifest in manifests:
        for part in read_manifest(manifest).parts:
            yield Target(part.kind, part.name, f"package {manifest.parent.parent}", part.target)
    if manifests:
        return
    for file in read_files([path]):
        try:
            classes = registry.registered_classes(file.path)
        except (SyntaxError, ValueError) as problem:
            raise PluginError(f"{file.title} is no Python: {problem}") from None
        for kind, name in classes:
            registry.check_kind(kind)
            yield Target(kind, name, f"file {file.path}")


def _relevant(file: Path, folder: Path) -> bool:
    return not set(file.relative_to(folder).parts[:-1]) & set(SKIPPED)

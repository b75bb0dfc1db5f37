"""Whose a failure is: the plugin or local file in whose code an exception was raised."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from maquette import registry
from maquette.errors import MaquetteError, PluginError
from maquette.plugins.discovery import Plugin
from maquette.plugins.isolation import failing_as, failure, innermost_file

PACKAGE = Path(__file__).resolve().parents[1]


def naming(kind: str, name: str) -> AbstractContextManager[None]:
    """A block in which exceptions of a plugin's or local part become errors that name it; built-in parts' pass."""
    declaration = registry.declaration(kind, name)
    if declaration is None:
        return nullcontext()
    return failing_as(declaration.title, declaration.place)


def attribute(problem: BaseException, plugins: Iterable[Plugin]) -> PluginError | None:
    """The error that names the plugin or local file whose code raised an exception; None: it was none.

    Of the frames that are maquette's, a plugin's or a local file's, the innermost one decides.
    """
    declarations = registry.declarations()
    places = {declaration.place: declaration.owner for declaration in declarations if declaration.place is not None}
    places |= {plugin.folder: f"plugin {plugin.title}" for plugin in plugins if plugin.folder is not None}
    place, file = innermost_file(problem, [PACKAGE, *places])
    if isinstance(problem, MaquetteError) or place in (None, PACKAGE) or place is None:
        return None
    titles = [declaration.title for declaration in declarations if declaration.file == file]
    return failure(titles[0] if len(titles) == 1 else places[place], problem, place)

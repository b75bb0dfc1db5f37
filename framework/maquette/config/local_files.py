"""The local files of a method, from its key `plugins` and from those that are given: which count, and what is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maquette.config import paths
from maquette.config.merging import Origins
from maquette.config.method_files import MethodFile
from maquette.config.origins import error_at
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.plugins import owner_of
from maquette.plugins.local import LocalFile, LocalParts, import_files, read_files, unread

KEY = "plugins"
COPIES = "parts"
"""Folder of a run that holds copies of its local files."""


def select_files(files: Sequence[MethodFile], local: LocalParts) -> tuple[LocalFile, ...]:
    """The local files of a method: those that its files name, and those that are given.

    Those that are given stand in for the ones that a run names.

    Raises:
        ConfigError: one cannot be read; a plugin's file names some; another's run does, and none is given; or one has
            changed since the run began.
    """
    named = [path for file in files for path in _named(file, local)]
    run = next((file.path for file in files if file.resolved_groups is not None), None)
    if local.recorded and run is not None:
        return _unchanged(named, local, run.parent)
    return read_files([*named, *local.extra])


def _named(file: MethodFile, local: LocalParts) -> list[Path]:
    """The local files that a method's file names, and that count."""
    if not file.plugins or (file.resolved_groups is not None and local.extra):
        return []
    if (plugin := owner_of(file.path)) is not None:
        hint = "a plugin declares its parts in maquette-plugin.toml"
        raise error_at(f"this file is of plugin {plugin.title}, and names local files", KEY, file.origins, hint)
    if local.imported and paths.confines(file.path) is not None:
        raise error_at(
            "this run of another host or user has parts in local files, which are not imported unasked", KEY,
            file.origins, f"read them, and give them: --parts {_copies(file.path.parent) or file.plugins[0]}",
        )  # fmt: skip
    copies = file.path.parent / COPIES
    if not local.imported and file.resolved_groups is not None and copies.is_dir():
        return [copies]  # the files themselves may be on another machine
    try:
        return [Path(paths.resolve(path, "input", file.path.absolute().parent)) for path in file.plugins]
    except ValueError as problem:
        raise error_at(str(problem), KEY, file.origins) from None


def _unchanged(named: Sequence[Path], local: LocalParts, run: Path) -> tuple[LocalFile, ...]:
    """The local files of a run that is resumed, which have to be those with which it began."""
    recorded, copies = local.recorded or {}, _copies(run)
    hint = f"give its copy: --parts {copies}; or start a new run" if copies else "put it back, or start a new run"
    try:
        files = read_files([*named, *local.extra])
    except ConfigError as problem:
        raise ConfigError(problem.message, key=KEY, hint=hint) from None
    present = {file.sha256 for file in files}
    for path, digest in recorded.items():
        if digest not in present:
            raise ConfigError(f"{display_path(Path(path))} has changed since the run began", key=KEY, hint=hint)
    return tuple(file for file in files if file.sha256 in recorded.values())


def _copies(run: Path) -> str:
    return display_path(run / COPIES) if (run / COPIES).is_dir() else ""


@contextmanager
def declared(files: Sequence[LocalFile], local: LocalParts) -> Iterator[None]:
    """Within the block the parts of local files can be named; those that are imported, after it as well.

    Raises:
        PluginError: a file fails, or one of its names is taken.
    """
    if local.imported:
        import_files(files)
        yield
        return
    with unread(files):
        yield


def refuse_key(data: Mapping[str, Any], origins: Origins) -> None:
    """Raise ConfigError for local files that are named in another place than the top of a method's file."""
    if KEY in data:
        hint = "on the command line, give --parts FILE"
        raise error_at("local files are named at the top of a method's file", KEY, origins, hint)

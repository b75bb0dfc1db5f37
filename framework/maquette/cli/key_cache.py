"""What completion in a shell offers, in a cache: the keys of methods, and the names of config files.

A completion has a fraction of a second, and listing the keys of a method imports its parts. A cache is read with
nothing imported; until it is filled, by a process in the background, the keys that the method's files write are
offered. `python -m maquette.cli.key_cache METHOD` fills it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maquette import __version__
from maquette.files import cache_folder, write_atomically

if TYPE_CHECKING:
    from maquette.config.composing import Composition

Keys = dict[str, list[str]]
"""Dotted key -> values that it may have, or the one that it has."""
PACKAGE = Path(__file__).parents[1]
BUSY_SECONDS = 60.0  # after which another process may try


def completion_keys(method: str) -> Keys:
    """Keys of a method that an override can set; empty for a method that does not load."""
    cached = _read(_file(f"keys/{method}"))
    if cached is not None:
        return dict(cached)
    from maquette.config.composing import compose_method
    from maquette.errors import MaquetteError

    try:
        composition = compose_method(method)
    except MaquetteError:
        return {}
    _fill_in_background(method)
    return {**_written(composition), **_groups(composition)}


def config_names(folder: str) -> list[str]:
    """Names of the config files in a folder of every root, such as "methods"."""

    def names() -> tuple[list[str], list[Path]]:
        from maquette.config import paths

        return list(paths.available(folder)), [root / folder for root in paths.config_roots()]

    return list(_cached(f"names/{folder}", names))


def fill(method: str) -> None:
    """Write the keys of a method to the cache; imports the method's parts."""
    from maquette.config import paths
    from maquette.config.composing import MISSING, compose_method
    from maquette.config.keys import all_keys, legal_values
    from maquette.config.origins import dump_flow

    composition = compose_method(method)
    keys: Keys = {}
    for here in all_keys(composition):
        value = here.value if here.value is not None or here.option is None else here.option.default
        plain = isinstance(value, (str, int, float, bool)) and value != MISSING
        keys[here.key] = legal_values(here) or ([dump_flow(value)] if plain else [])
    groups = [Path(root, paths.group_folder(group)) for root in paths.config_roots() for group in composition.groups]
    _write(_file(f"keys/{method}"), keys | _groups(composition), [*composition.files, *groups])


def _cached(name: str, make: Callable[[], tuple[Any, list[Path]]]) -> Any:
    """What the cache has under a name, or else what `make` gives, with the files that it depends on."""
    value = _read(_file(name))
    if value is None:
        value, files = make()
        try:
            _write(_file(name), value, files)
        except OSError:  # a cache that cannot be written is none
            return value
    return value


def _file(name: str) -> Path:
    """The cache under a name; what a path means depends on the working folder."""
    digest = hashlib.blake2b(f"{Path.cwd()}\n{name}".encode(), digest_size=12).hexdigest()
    return cache_folder() / "completion" / f"{digest}.json"


def _read(file: Path) -> Any:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return content["value"] if content["stamp"] == _stamp(content["files"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, value: Any, files: Iterable[Path]) -> None:
    names = [str(path.absolute()) for path in files if path.exists()]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps({"stamp": _stamp(names), "files": names, "value": value}))


def _stamp(files: Iterable[str]) -> list[Any]:
    """What a cache depends on: files and folders of configs, the code of the parts, and what is installed."""
    folders = [str(PACKAGE), *(str(path) for path in sorted(PACKAGE.glob("*/"))), sysconfig.get_path("purelib")]
    return [__version__, *(os.stat(path).st_mtime_ns for path in (*folders, *files))]


def _groups(composition: Composition) -> Keys:
    from maquette.config import paths

    return {group: list(paths.available(paths.group_folder(group))) for group in composition.groups}


def _written(composition: Composition) -> Keys:
    """The keys that the method's files write."""
    keys: Keys = {}

    def add(data: Mapping[str, object], key: str) -> None:
        for name, value in data.items():
            child = f"{key}.{name}".lstrip(".")
            keys[child] = [str(value)] if isinstance(value, (str, int, float)) and value != "???" else []
            if isinstance(value, Mapping):
                add(value, child)

    add(composition.data, "")
    return keys


def _fill_in_background(method: str) -> None:
    busy = _file(f"keys/{method}").with_suffix(".busy")
    try:
        if busy.is_file() and time.time() - busy.stat().st_mtime < BUSY_SECONDS:
            return
        busy.parent.mkdir(parents=True, exist_ok=True)
        busy.touch()
        environment = {name: value for name, value in os.environ.items() if name != "_MAQUETTE_COMPLETE"}
        subprocess.Popen(
            [sys.executable, "-P", "-m", "maquette.cli.key_cache", method], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment,
        )  # fmt: skip
    except OSError:
        return


if __name__ == "__main__":
    fill(sys.argv[1])

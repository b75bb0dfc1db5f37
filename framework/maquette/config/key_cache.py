"""The keys of a method for completion in a shell, in a cache, since listing them imports the parts.

A completion has a fraction of a second. Until the cache is filled, by a process in the background, the keys that the
method's files write are offered. `python -m maquette.config.key_cache METHOD` fills it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from maquette import __version__, plugins
from maquette.config import paths
from maquette.config.composing import Composition, compose_method
from maquette.errors import MaquetteError
from maquette.files import cache_folder, write_atomically

Keys = dict[str, list[str]]
"""Dotted key -> values that it may have, or the one that it has."""
BUSY_SECONDS = 60.0  # after which another process may try


def completion_keys(method: str) -> Keys:
    """Keys of a method that an override can set; empty for a method that does not load."""
    try:
        composition = compose_method(method)
    except MaquetteError:
        return {}
    try:
        cached = json.loads(_file(composition).read_text(encoding="utf-8"))
        if cached["stamp"] == _stamp(composition):
            return {**cached["keys"], **_groups(composition)}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    _fill_in_background(composition, method)
    return {**_written(composition), **_groups(composition)}


def fill(method: str) -> None:
    """Write the keys of a method to the cache; imports the method's parts."""
    from maquette.config.keys import all_keys, legal_values
    from maquette.config.origins import dump_flow

    composition = compose_method(method)
    keys: Keys = {}
    for here in all_keys(composition):
        value = here.value if here.value is not None or here.option is None else here.option.default
        plain = isinstance(value, (str, int, float, bool)) and value != "???"
        keys[here.key] = legal_values(here) or ([dump_flow(value)] if plain else [])
    file = _file(composition)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps({"stamp": _stamp(composition), "keys": keys}))


def _file(composition: Composition) -> Path:
    digest = hashlib.blake2b(str(composition.path.resolve()).encode(), digest_size=8).hexdigest()
    return cache_folder() / "completion" / f"{composition.path.stem}-{digest}.json"


def _stamp(composition: Composition) -> list[str]:
    """What the keys depend on: the method's merged files, and the code of the parts."""
    data = json.dumps(composition.data, sort_keys=True, default=str)
    code = max(path.stat().st_mtime for path in paths.PACKAGE.rglob("*.py"))
    return [
        __version__, str(code), ",".join(sorted(plugins.loaded().values())),
        hashlib.blake2b(data.encode(), digest_size=16).hexdigest(),
    ]  # fmt: skip


def _groups(composition: Composition) -> Keys:
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


def _fill_in_background(composition: Composition, method: str) -> None:
    busy = _file(composition).with_suffix(".busy")
    try:
        if busy.is_file() and time.time() - busy.stat().st_mtime < BUSY_SECONDS:
            return
        busy.parent.mkdir(parents=True, exist_ok=True)
        busy.touch()
        environment = {name: value for name, value in os.environ.items() if name != "_MAQUETTE_COMPLETE"}
        subprocess.Popen(
            [sys.executable, "-m", "maquette.config.key_cache", method], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment,
        )  # fmt: skip
    except OSError:  # a cache that cannot be written is none
        return


if __name__ == "__main__":
    fill(sys.argv[1])

"""Where config files lie, and what the paths in them mean.

A path in a file is relative to the file, one of the command line or of Python to the working folder. `~` and
environment variables (`$NAME`) are expanded. Input paths become absolute, so that a run's config works from any folder.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import logging
import os
import platform
import re
from functools import cache
from pathlib import Path
from typing import Literal

from maquette import plugins
from maquette.errors import ConfigError, did_you_mean
from maquette.files import is_inside
from maquette.registry import BUILT_IN

_log = logging.getLogger(__name__)
PACKAGE = Path(__file__).resolve().parents[1]
SUFFIXES = (".yaml", ".yml")
UNCOUNTABLE = ("stereo",)  # groups whose name is its own plural
_VARIABLE = re.compile(r"\$(?:\w+|\{\w+\})")
_EXPLICIT = ("/", "./", "../", "~", "$")


def config_roots() -> list[Path]:
    """Folders laid out like `configs/`, the project's own first."""
    return [root for root in [*built_in_roots(), *plugins.config_folders()] if root.is_dir()]


def built_in_roots() -> list[Path]:
    """The project's own folders of configs: of an installed package, and of a checkout."""
    return [PACKAGE / "configs", PACKAGE.parents[1] / "configs"]


@cache
def _warn_once(sentence: str) -> None:
    _log.warning("%s", sentence)


def group_folder(group: str) -> str:
    """The folder of a group's files, which is the plural of its name."""
    return group if group in UNCOUNTABLE else f"{group}s"


def laptop_file(method: Path) -> Path | None:
    """The file with a method's reduced settings for a laptop, `../laptop/NAME.yaml`; None if there is none."""
    path = method.absolute().parent.parent / "laptop" / method.name
    return path if path.is_file() else None


def available(folder: str) -> dict[str, Path]:
    """Name -> file of every config in that folder of every root.

    The project's own roots come first. A file of a plugin whose name is theirs, or another plugin's, goes by
    `distribution/name`, and a warning says so.
    """
    own, offers = _offered(folder)
    for sentence in offers.clashes():
        _warn_once(sentence)
    return {**own, **offers.listed()}


def _offered(folder: str) -> tuple[dict[str, Path], plugins.Offers[Path]]:
    """The project's own configs in a folder by name, and those that plugins offer."""
    owners, others = plugins.config_folders(), []
    own: dict[str, Path] = {}
    for root in config_roots():
        for path in sorted((root / folder).glob("*.yaml")):
            if root in owners:
                others.append((owners[root], path.stem, path))
            else:
                own.setdefault(path.stem, path)
    return own, plugins.Offers(folder.removesuffix("s"), others, own)


def find_config(name: str, folder: str, what: str, folder_of_file: Path | None = None) -> Path:
    """The file of a config name or path.

    Args:
        name: a name, or a path.
        folder: of the roots, in which names are looked up.
        what: what the file is, for messages.
        folder_of_file: the folder to which a path is relative, and which may have the file of a name that no root
            has; None: the working folder, for paths only.

    Raises:
        ConfigError: there is no such file; the message names the nearest name.
    """
    here = folder_of_file or Path()
    own, offers = _offered(folder)
    if (file := own.get(name.removeprefix(f"{BUILT_IN}/")) or offers.find(name)) is not None:
        return file
    if name.endswith(SUFFIXES) or "/" in name or name.startswith("~"):
        try:
            path = here / expand(name)
        except ValueError as problem:
            raise ConfigError(f"{what} {name}: {problem}") from None
        if os.path.isfile(path):
            return path
        for root in config_roots():
            if os.path.isfile(root.parent / name):
                return root.parent / name
        raise ConfigError(f"there is no such file: {name}")
    neighbours = {path.stem: path for suffix in SUFFIXES for path in here.glob(f"*{suffix}")} if folder_of_file else {}
    if name in neighbours:
        return neighbours[name]
    names = [*available(folder), *neighbours]
    hint = did_you_mean(name, names, cutoff=0.4)
    raise ConfigError(f"there is no {what} called {name!r}", hint=f"{hint}known: {', '.join(names) or 'none'}")


def find_beside(name: str, folder: str, what: str, file: Path) -> Path:
    """`find_config` for a name or path that stands in a config file.

    Raises:
        ConfigError: there is no such file, or it lies outside the folder that the file's paths may not leave.
    """
    path, confined = find_config(name, folder, what, file.absolute().parent), confines(file)
    if confined and path not in available(folder).values() and not is_inside(path, (confined,)):
        raise ConfigError(f"{name} lies outside {confined}, which this file may not leave")
    return path


def expand(path: str) -> str:
    """The path with `~` and environment variables filled in. Raises ValueError for a variable that is not set.

    Example:
        >>> import os
        >>> os.environ["MUGS"] = "/data/mugs"
        >>> expand("$MUGS/red.png")
        '/data/mugs/red.png'
    """
    expanded = os.path.expanduser(os.path.expandvars(path))
    unset = _VARIABLE.search(expanded)
    if unset and not os.path.lexists(expanded):
        raise ValueError(f"the environment variable {unset[0].strip('${}')} is not set")
    return expanded


def resolve(path: str, kind: Literal["input", "weights", "output"], folder: Path | None) -> str:
    """What a path of a config means: a path that works from any folder.

    Args:
        path: as it was written.
        kind: of an input or weights, which may be a name and no path; or of a folder for results.
        folder: of the file that says so; None: the working folder.

    Raises:
        ValueError: an environment variable is not set.
        ConfigError: several plugins have weights of that name.
    """
    expanded = expand(path)
    absolute = os.path.abspath(os.path.join(folder or Path.cwd(), expanded))
    if kind == "weights" and plugins.find_weights(path) is not None:
        return path
    if kind != "weights" or os.path.exists(absolute) or (folder is not None and expanded.startswith(_EXPLICIT)):
        return absolute
    return expanded  # a name


def owner() -> str:
    """This host and user as a hash, by which a run's folder is known to be its own."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return hashlib.blake2b(f"{platform.node()}/{user}".encode(), digest_size=8).hexdigest()


def confines(path: Path) -> Path | None:
    """The folder that the paths in a config file may not leave; None: they are free.

    Files of plugins stay in the plugin's folder of configs, and the config of a run that another host or user recorded
    in the run's folder. What this user wrote, or ran here, is free.
    """
    place = path.resolve()
    for root in plugins.config_folders():
        if place.is_relative_to(root.resolve()):
            return root.resolve()
    folder = path.absolute().parent
    if path.name != "config.yaml" or not any((folder / "checkpoints").glob("*/*")):
        return None
    try:
        recorded = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["owner"]
    except (OSError, ValueError, KeyError, TypeError):
        return folder
    return None if recorded == owner() else folder

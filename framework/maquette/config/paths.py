"""The search for config files: paths of the user, the package or checkout, and plugins."""

from __future__ import annotations

from pathlib import Path

from maquette import plugins
from maquette.errors import ConfigError, did_you_mean

PACKAGE = Path(__file__).resolve().parents[1]


def config_roots() -> list[Path]:
    """Folders laid out like `configs/`, the project's own first."""
    built_in = [PACKAGE / "configs", PACKAGE.parents[1] / "configs"]
    return [root for root in [*built_in, *plugins.config_folders()] if root.is_dir()]


def group_folder(group: str) -> str:
    """The folder of a group's files, which is the plural of its name."""
    return f"{group}s"


def laptop_file(method: Path) -> Path | None:
    """The file with a method's reduced settings for a laptop, `../laptop/NAME.yaml`; None if there is none."""
    path = method.absolute().parent.parent / "laptop" / method.name
    return path if path.is_file() else None


def available(folder: str) -> dict[str, Path]:
    """Name -> file of every config in that folder of every root; the first root wins."""
    files: dict[str, Path] = {}
    for root in config_roots():
        for path in sorted((root / folder).glob("*.yaml")):
            files.setdefault(path.stem, path)
    return files


def find_config(name: str, folder: str, what: str) -> Path:
    """The file of a config name or path.

    Raises:
        ConfigError: there is no such file; the message names the nearest name.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if path.is_file():
            return path
        for root in config_roots():
            if (root.parent / name).is_file():
                return root.parent / name
        raise ConfigError(f"there is no such file: {name}")
    files = available(folder)
    if name not in files:
        hint = did_you_mean(name, files, cutoff=0.4)
        raise ConfigError(f"there is no {what} called {name!r}", hint=f"{hint}known: {', '.join(files) or 'none'}")
    return files[name]

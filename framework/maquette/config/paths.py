"""Where config files are found: beside the user, in the package or checkout, and in plugins."""

from __future__ import annotations

from pathlib import Path

from maquette import plugins
from maquette.errors import ConfigError, did_you_mean

PACKAGE = Path(__file__).resolve().parents[1]


def config_roots() -> list[Path]:
    """Folders laid out like `configs/`, the project's own first."""
    own = [PACKAGE / "configs", PACKAGE.parents[1] / "configs"]
    return [root for root in [*own, *plugins.config_folders()] if root.is_dir()]


def group_folder(group: str) -> str:
    """The folder of a group's files: the plural of its name."""
    return f"{group}s"


def laptop_file(method: Path) -> Path | None:
    """The file that holds what a laptop changes of a method, if there is one: `laptop/NAME.yaml` beside its folder."""
    path = method.absolute().parent.parent / "laptop" / method.name
    return path if path.is_file() else None


def available(folder: str) -> dict[str, Path]:
    """Name -> file of every config in that folder of every root; the first root wins."""
    found: dict[str, Path] = {}
    for root in config_roots():
        for path in sorted((root / folder).glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def find_config(name: str, folder: str, what: str) -> Path:
    """The file a name or path stands for.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(name)
        if path.is_file():
            return path
        for root in config_roots():
            if (root.parent / name).is_file():
                return root.parent / name
        raise ConfigError(f"there is no such file: {name}")
    known = available(folder)
    if name not in known:
        hint = did_you_mean(name, known, cutoff=0.4)
        raise ConfigError(f"there is no {what} called {name!r}", hint=f"{hint}known: {', '.join(known) or 'none'}")
    return known[name]

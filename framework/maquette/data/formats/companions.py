"""Finding the pictures that a file of cameras names: inside its folder, whatever machine wrote the names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from maquette.errors import ConfigError
from maquette.files import display_path, folded, is_inside

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".gif", ".tga", ".jp2",
)  # fmt: skip
"""Suffixes that a name may lack or have instead of its own, in order of preference."""
URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:(//|/)|file:|data:")
DRIVE = re.compile(r"[a-zA-Z]:/")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass
class Companions:
    """The files beside one file of cameras.

    Args:
        file: the file that names the others.
        roots: folders that names are relative to, in order of preference.
        confines: folders outside of which nothing is read.

    Attributes:
        by_name: names of absolute paths that were looked for inside the roots instead.
        by_suffix: names whose file has another suffix.
    """

    file: Path
    roots: Sequence[Path]
    confines: Sequence[Path]
    by_name: list[str] = field(default_factory=list)
    by_suffix: list[str] = field(default_factory=list)
    _listings: dict[Path, dict[str, list[Path]]] = field(default_factory=dict)

    def find(self, name: str, key: str) -> Path | None:
        """The file of a name; None if there is none.

        Raises:
            ConfigError: the name is a URL or no name at all, or leads out of the folder.
        """
        if not name.strip() or UNPRINTABLE.search(name) or len(name) > 2000:
            raise ConfigError(f"{name[:60]!r} is no name of a file", key=key, file=display_path(self.file))
        if URL.match(name) and not DRIVE.match(name.replace("\\", "/")):
            raise ConfigError(
                f"{name!r} is a URL, and only files of the folder are read", key=key, file=display_path(self.file),
                hint="fetch it into the folder first",
            )  # fmt: skip
        path = name.replace("\\", "/")
        try:
            absolute = path.startswith("/") or bool(DRIVE.match(path))
            return self._find_absolute(path, name, key) if absolute else self._find_relative(path, name, key)
        except (OSError, ValueError) as problem:
            what = str(problem).splitlines()[0]
            raise ConfigError(f"cannot look for {name[:60]!r}: {what}", key=key, file=display_path(self.file)) from None

    def _find_relative(self, path: str, name: str, key: str) -> Path | None:
        for root in self.roots:
            if (candidate := self._existing(root / path, name)) is not None:
                return self._confined(candidate, name, key)
        if ".." in PurePosixPath(path).parts:
            self._confined(self.roots[0] / path, name, key)
        return None

    def _find_absolute(self, path: str, name: str, key: str) -> Path | None:
        """An absolute path as it is, if it lies in the folder; else by its last parts, for it is of another machine."""
        here = Path(path)
        if path.startswith("/") and not path.startswith("//") and self._inside(here):
            return self._existing(here, name)
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        for count in range(len(parts), 0, -1):
            for root in self.roots:
                if (candidate := self._existing(root.joinpath(*parts[-count:]), name)) is not None:
                    self.by_name.append(name)
                    return self._confined(candidate, name, key)
        return None

    def _existing(self, path: Path, name: str) -> Path | None:
        """The file at a path, or one of the same stem with another suffix or other capitals."""
        if path.is_file():
            return path
        candidates = self._listing(path.parent).get(folded(path.name), [])
        if candidates:
            return candidates[0]
        stems = (path.name, path.stem) if path.suffix.lower() in SUFFIXES else (path.name,)
        for stem in stems:
            for suffix in SUFFIXES:
                for candidate in self._listing(path.parent).get(folded(stem) + suffix, []):
                    self.by_suffix.extend([name] if stem != path.name else [])
                    return candidate
        return None

    def _listing(self, folder: Path) -> dict[str, list[Path]]:
        """The files of a folder by their names, `folded`."""
        if folder not in self._listings:
            files: dict[str, list[Path]] = {}
            if folder.is_dir() and self._inside(folder):
                for file in sorted(folder.iterdir()):
                    files.setdefault(folded(file.name), []).append(file)
            self._listings[folder] = files
        return self._listings[folder]

    def _inside(self, path: Path) -> bool:
        return is_inside(path, self.confines)

    def _confined(self, path: Path, name: str, key: str) -> Path:
        if not self._inside(path):
            raise ConfigError(
                f"{name!r} leads out of the folder {display_path(self.confines[-1])}", key=key,
                file=display_path(self.file),
                hint="move the file there, or allow its folder: --allow FOLDER",
            )  # fmt: skip
        return path

    def warnings(self) -> list[str]:
        """What was found otherwise than by its name, one sentence for each way."""
        return [
            f"{len(names)} {what}, such as {names[0]!r}"
            for names, what in (
                (self.by_name, "absolute paths are not of this folder and were found by their names"),
                (self.by_suffix, "pictures were found under another suffix"),
            )
            if names
        ]


def listing(names: Iterable[str], most: int = 3) -> str:
    """The first names, and how many more there are.

    Example:
        >>> listing(["a", "b", "c", "d"], most=2)
        'a, b and 2 more'
    """
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest

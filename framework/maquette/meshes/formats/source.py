"""The file that is being read: its bytes, the files that it refers to, and the account of the reading."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

from maquette.errors import ConfigError
from maquette.files import folded, is_inside

LONGEST_MESSAGE = 300  # characters; files put whole buffers where a number belongs


class Source:
    """A mesh file, read by a reader that notes what it used, what it left out, and what is doubtful.

    Files that it refers to are searched in its folder and in the folders below; nothing else is opened, whatever
    the file says, unless its folder is allowed (`maquette.files.allowing`).

    Args:
        path: the file.
        key: config key of the path, for messages.

    Attributes:
        used, ignored, warnings: as in `maquette.loaded.Loaded`.
        textures: widths and heights of the pictures that were read.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.folder = path.parent
        self.used: list[str] = []
        self.ignored: list[str] = []
        self.warnings: list[str] = []
        self.textures: list[tuple[int, int]] = []

    def uses(self, feature: str) -> None:
        """Note a feature that reached the mesh."""
        if feature not in self.used:
            self.used.append(feature)

    def leaves(self, feature: str) -> None:
        """Note a feature that does not reach the mesh."""
        if feature not in self.ignored:
            self.ignored.append(feature)

    def warns(self, sentence: str) -> None:
        """Note something that may not be what the user means."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def error(self, message: str, *, line: int | None = None, hint: str = "") -> ConfigError:
        """The refusal of this file; to be raised."""
        short = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]} ..."
        return ConfigError(short, key=self.key, file=str(self.path), line=line, hint=hint)

    def broken(self, problem: str, *, line: int | None = None) -> ConfigError:
        """The refusal of a file that violates its format; to be raised."""
        return self.error(f"the mesh cannot be read: {problem}", line=line)

    def read_bytes(self, count: int = -1) -> bytes:
        """The file's content, or its first bytes."""
        return self._read(self.path, count)

    def read_text(self) -> str:
        """The file's content as text; see `decode_text`."""
        return decode_text(self.read_bytes())

    def find(self, name: str, quoted: bool = False) -> Path | None:
        """The file that `name` in this file refers to; None if there is no such file.

        Args:
            name: a path relative to this file's folder.
            quoted: whether the name is a URI, with `%20` for a space.

        Raises:
            ConfigError: the name leads out of the folder.
        """
        written = name.strip()
        plain = unquote(written) if quoted else written
        target = unquote(written.partition("?")[0]) if quoted else plain
        for candidate in dict.fromkeys((plain, written, plain.replace("\\", "/"), target)):
            place = self._inside(candidate)
            if place is not None:
                return place
        if alike := self._alike(target.replace("\\", "/")):
            self.warns(f"it names {written}; {alike.name} is taken")
            return alike
        if _is_foreign(plain):
            place = self._inside(PureWindowsPath(plain.split("?")[0]).name)
            if place is None:
                raise self._outside(written)
            self.warns(f"it names {written}; {place.name} in its own folder is taken")
            return place
        return None

    def companion(self, name: str, quoted: bool = False) -> bytes:
        """The content of a file that this one refers to; arguments as for `find`.

        Raises:
            ConfigError: it is missing, or lies elsewhere.
        """
        place = self.find(name, quoted)
        if place is None:
            raise self.error(
                f"the mesh refers to {name.strip()}, which is not beside it",
                hint="put it there, or delete the line that names it",
            )
        return self._read(place)

    def _inside(self, name: str) -> Path | None:
        """The regular file of that name in a root; None if there is none."""
        if not name or "\0" in name or _is_foreign(name):
            return None
        try:
            place = (self.folder / name).resolve()
            if not is_inside(place, (self.folder,)):
                if (self.folder / name).exists() or ".." in Path(name).parts:
                    raise self._outside(name)
                return None
            return place if place.is_file() else None
        except (OSError, RuntimeError):  # a name that is too long, a loop of links
            return None

    def _alike(self, name: str) -> Path | None:
        """The file whose path is `folded` like a name; None if there is none, or several."""
        if not name or _is_foreign(name):
            return None
        places = [Path()]
        for part in Path(name).parts:
            places = [
                place / other for place in places for other in self._names(place) if folded(other) == folded(part)
            ]
        return self._inside(str(places[0])) if len(places) == 1 else None

    def _names(self, folder: Path) -> list[str]:
        try:
            return os.listdir(self.folder / folder) if is_inside(self.folder / folder, (self.folder,)) else []
        except OSError:
            return []

    def _outside(self, name: str) -> ConfigError:
        return self.error(
            f"the mesh refers to {name}, which is outside its folder",
            hint="copy it beside the mesh, or allow its folder: --allow FOLDER",
        )

    def _read(self, path: Path, count: int = -1) -> bytes:
        try:
            with path.open("rb") as stream:
                return stream.read(count)
        except OSError as problem:
            raise self.error(f"cannot read {path.name}: {problem.strerror or problem}") from problem


def decode_text(data: bytes) -> str:
    """Text of UTF-8 or UTF-16 with or without a byte order mark, else of Latin-1; line ends become newlines."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_foreign(name: str) -> bool:
    """Whether a name is absolute, on this or another system, or a URL."""
    windows = PureWindowsPath(name)
    return bool(Path(name).is_absolute() or windows.drive or windows.root or "://" in name or name.startswith("file:"))

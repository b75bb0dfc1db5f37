"""Copies of folders in object storage, for machines that share no disk and work on the same runs and results."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from maquette.errors import ConfigError, MaquetteError, RunError
from maquette.files import LOCK_FILE, WRITER_FILE, atomic_path, display_path, file_hash, write_atomically

INDEX_FILE = ".index.json"  # beside the files in storage: what belongs to the folder, written last
COPY_FILE = ".stored.json"  # in the folder: which state of the storage it was last equal to
LOCAL_FILES = (LOCK_FILE, WRITER_FILE, COPY_FILE)
SECONDS = 60.0  # between copies of a run that is going on
ATTEMPTS = 3  # to copy a file that changes meanwhile

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _State:
    """A state of a folder.

    Args:
        number: of copies to the storage so far.
        files: relative name -> sha256.
        removed: names that were taken out of the folder; what is in neither is unknown to the state, and stays.
    """

    number: int = 0
    files: dict[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str) -> _State:
        facts = json.loads(text)
        files = {str(name): str(digest) for name, digest in facts["files"].items()}
        return cls(int(facts["number"]), files, frozenset(map(str, facts.get("removed", []))))

    def text(self) -> str:
        facts = {"number": self.number, "files": self.files, "removed": sorted(self.removed)}
        return json.dumps(facts, indent=1)


class Storage:
    """A place of fsspec, such as `s3://bucket/folder`, that keeps folders under their paths; disks are caches of it.

    Args:
        url: of the place.
        base: the folder that paths are taken relative to, the same on all machines; None: the current one.

    Raises:
        ConfigError: there is no such file system, or its package is missing.
    """

    def __init__(self, url: str, base: Path | None = None) -> None:
        from fsspec.core import url_to_fs

        self.url, self._base = url, (base or Path.cwd()).absolute()
        try:
            self._fs, self._root = url_to_fs(url)
        except (ImportError, ValueError) as problem:
            raise ConfigError(
                f"{url!r} cannot be used as storage: {problem}", key="storage",
                hint="give a URL of fsspec, e.g. s3://bucket/folder with `pip install s3fs`",
            ) from None  # fmt: skip
        self._digests: dict[Path, tuple[tuple[int, int], str]] = {}

    def pull(self, folder: Path) -> bool:
        """Bring a folder to the state in storage, if another machine has changed that since.

        Returns:
            Whether there was something new.

        Raises:
            RunError: the storage fails, or its files go on changing, or are not those of their index.
        """
        with self._telling():
            for _ in range(ATTEMPTS):
                stored, copy = self._stored(folder), self._copy(folder)
                if stored == copy or stored.number == 0:
                    return False
                if all(self._fetched(folder, name, digest) for name, digest in stored.files.items()):
                    for name in stored.removed & set(copy.files):
                        (folder / name).unlink(missing_ok=True)
                    write_atomically(folder / COPY_FILE, stored.text())
                    return True
        raise RunError(f"the files of {display_path(folder)} in {self.url} are not those of its index")

    def push(self, folder: Path) -> None:
        """Copy to storage what has changed in a folder; files that another machine has added there stay.

        Raises:
            RunError: the storage fails, or a file goes on changing.
        """
        if folder.is_dir():
            with self._telling():
                self._push(folder)

    def _push(self, folder: Path) -> None:
        stored, copy = self._stored(folder), self._copy(folder)
        before, here = stored.files, dict[str, str]()
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and _belongs(path)):
            name = path.relative_to(folder).as_posix()
            if (digest := self._sent(path, f"{self._place(folder)}/{name}", before.get(name))) is not None:
                here[name] = digest
        files = here if stored == copy else {**before, **here}
        if files == before:
            return
        gone = set(before) - set(files)
        state = _State(stored.number + 1, files, (stored.removed | gone) - set(files))
        self._fs.pipe_file(f"{self._place(folder)}/{INDEX_FILE}", state.text().encode())
        for name in gone:
            with suppress(FileNotFoundError):
                self._fs.rm_file(f"{self._place(folder)}/{name}")
        if files == here:  # otherwise others' files are to be pulled, and are none that were removed here
            write_atomically(folder / COPY_FILE, state.text())

    @contextmanager
    def keeping(self, folder: Path, seconds: float = SECONDS) -> Iterator[None]:
        """Copy a folder to storage every so many seconds inside the block, and at its end."""
        ended = Event()

        def keep() -> None:
            while not ended.wait(seconds):
                try:
                    self.push(folder)
                except RunError as problem:  # the next copy may succeed, and the last one raises
                    _log.warning("%s was not copied: %s", display_path(folder), problem)

        thread = Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.push(folder)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Raise a RunError of one line for any error of the client of a cloud."""
        try:
            yield
        except MaquetteError:
            raise
        except Exception as problem:
            raise RunError(f"storage {self.url}: {type(problem).__name__}: {problem}") from problem

    def _place(self, folder: Path) -> str:
        path = folder.absolute()
        inside = path.relative_to(self._base if path.is_relative_to(self._base) else path.anchor)
        return f"{self._root.rstrip('/')}/{inside.as_posix()}"

    def _stored(self, folder: Path) -> _State:
        self._fs.invalidate_cache()
        try:
            return _State.read(self._fs.cat_file(f"{self._place(folder)}/{INDEX_FILE}").decode())
        except FileNotFoundError:
            return _State()

    def _copy(self, folder: Path) -> _State:
        try:
            return _State.read((folder / COPY_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return _State()

    def _fetched(self, folder: Path, name: str, digest: str) -> bool:
        """Whether the file is there now with this content."""
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise RunError(f"the index of {display_path(folder)} in {self.url} leads out of it: {name}")
        if path.is_file() and self._digest(path) == digest:
            return True
        with suppress(FileNotFoundError), atomic_path(path) as place:
            self._fs.get_file(f"{self._place(folder)}/{name}", str(place))
        return path.is_file() and self._digest(path) == digest

    def _sent(self, path: Path, target: str, before: str | None) -> str | None:
        """The digest of a file that is in storage now; None: it is gone."""
        for _ in range(ATTEMPTS):
            try:
                digest = self._digest(path)
                if digest == before:
                    return digest
                self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._fs.put_file(str(path), target)
                if self._digest(path) == digest:
                    return digest
            except FileNotFoundError:
                return None
        raise RunError(f"{display_path(path)} changes all the time and was not copied to {self.url}")

    def _digest(self, path: Path) -> str:
        facts = path.stat()
        key = (facts.st_size, facts.st_mtime_ns)
        before = self._digests.get(path)
        if before is None or before[0] != key:
            self._digests[path] = before = (key, file_hash(path))
        return before[1]


def _belongs(path: Path) -> bool:
    """Whether a file is part of a folder's content, and not of a machine's work on it."""
    return path.name not in LOCAL_FILES and not (path.name.startswith(".") and ".tmp" in path.name)


def synced(storage: Storage | None, folder: Path) -> AbstractContextManager[None]:
    """A context that keeps a folder in storage; without one it does nothing."""
    return nullcontext() if storage is None else storage.keeping(folder)

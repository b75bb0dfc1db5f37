"""Local parts: Python files beside a method whose classes are parts, as `@register(kind, name)` above each says.

A file is imported where its user has named it to run it, and else read for the names of its parts alone.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from maquette import registry
from maquette.errors import ConfigError, PluginError
from maquette.files import display_path
from maquette.plugins.isolation import failure, isolated
from maquette.registry import Declaration

SOURCE = "local"
"""The source of local parts in the registry."""


@dataclass(frozen=True)
class LocalFile:
    """A file with local parts, as it was read.

    Args:
        path: absolute.
        content: its bytes.
    """

    path: Path
    content: bytes

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def title(self) -> str:
        """The file in messages."""
        return f"local file {display_path(self.path)}"


@dataclass(frozen=True)
class LocalParts:
    """What is done with the local files of a method.

    Args:
        imported: whether they are imported; else only the names of their parts are read.
        extra: files and folders that the user gives beside those of the method; of a run, instead of them.
        recorded: path -> sha256 of the files with which a run that is resumed began.
    """

    imported: bool = False
    extra: Sequence[Path] = ()
    recorded: Mapping[str, str] | None = None


UNREAD = LocalParts()
"""Local files are read for the names of their parts, and not imported."""

OPTION = "--parts"
"""The option of the command line that gives local files."""


def parts_words(parts: Iterable[Path]) -> list[str]:
    """The words of the command line that give local files, by their absolute paths."""
    return [word for path in parts for word in (OPTION, str(path.expanduser().absolute()))]


def split_parts(words: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Words of the command line without those that give local files, and these files.

    Example:
        >>> split_parts(["seed=1", "--parts", "/a.py"])
        (['seed=1'], [PosixPath('/a.py')])
    """
    values, parts = list[str](), list[Path]()
    remaining = iter(words)
    for word in remaining:
        if word == OPTION:
            parts.append(Path(next(remaining)))
        else:
            values.append(word)
    return values, parts


def read_files(paths: Iterable[Path]) -> tuple[LocalFile, ...]:
    """Read local files; a folder stands for its `*.py`, but for those that begin with "_".

    Raises:
        ConfigError: one is not there, or is no Python file; or a folder has none.
    """
    files: dict[Path, LocalFile] = {}
    for path in paths:
        place = path.expanduser().absolute()
        inside = (
            sorted(file for file in place.glob("*.py") if not file.name.startswith("_")) if place.is_dir() else [place]
        )
        if not inside:
            raise ConfigError(f"there is no Python file in {path}", key="plugins")
        for file in inside:
            if file.suffix != ".py":
                raise ConfigError(
                    f"{file} is no Python file", key="plugins", hint="a local part is a class in a .py file"
                )
            try:
                files[file] = LocalFile(file, file.read_bytes())
            except OSError as problem:
                reason = problem.strerror or str(problem)
                raise ConfigError(f"cannot read the local file {display_path(file)}: {reason}", key="plugins") from None
    return tuple(files.values())


def import_files(files: Sequence[LocalFile]) -> None:
    """Import local files, and declare their parts in place of those of files that were imported before.

    Raises:
        PluginError: a file fails, has no parts, or one has a name that is taken; nothing is declared then.
    """
    staged = [declaration for file in files for declaration in _imported(file)]
    _check_names(staged)
    registry.forget_declared(lambda declaration: declaration.source != SOURCE)
    for declaration in staged:
        registry.declare(declaration)


@contextmanager
def unread(files: Sequence[LocalFile]) -> Iterator[None]:
    """Within the block the parts of files are known by name, and not imported; one that is imported already stays so.

    Raises:
        PluginError: a file is no Python, or a name is taken.
    """
    staged = [
        Declaration(kind, name, SOURCE, file.path.name, None, summary, file.title, file.path)
        for file in files
        for (kind, name), summary in _read_names(file).items()
        if not _is_imported(kind, name, file)
    ]
    _check_names(staged)
    try:
        for declaration in staged:
            registry.declare(declaration)
        yield
    finally:
        registry.forget_declared(lambda declaration: declaration not in staged)


def _is_imported(kind: str, name: str, file: LocalFile) -> bool:
    """Whether a part of a file is imported, from it or from a copy. Raises PluginError if another file's is."""
    for present in registry.declarations():
        if (present.kind, present.name, present.source) == (kind, name, SOURCE):
            if present.place == file.path or present.digest == file.sha256:
                return True
            raise PluginError(f"{present.title} and of {file.title} are two parts of one name; give one another name")
    return False


def _imported(file: LocalFile) -> list[Declaration]:
    """The parts of a file, which is run."""
    name = f"local_{file.path.stem}_{file.sha256[:8]}"
    module = ModuleType(name)
    module.__file__ = str(file.path)
    sys.modules[name] = module  # where dataclasses and type hints look up the names of its classes
    try:
        with isolated(file.title, file.path), registry.collecting() as classes:
            exec(compile(file.content, str(file.path), "exec"), module.__dict__)
            if not classes:
                raise PluginError(
                    'it has no part: write @register("loss", "my-loss") of maquette.registry above a class'
                )
    except PluginError:
        del sys.modules[name]
        raise
    return [_declaration(kind, part, cls, file) for (kind, part), cls in classes.items()]


def _declaration(kind: str, name: str, cls: type, file: LocalFile) -> Declaration:
    target, summary = f"{file.path.name}:{cls.__name__}", (cls.__doc__ or "").strip().split("\n")[0]
    return Declaration(kind, name, SOURCE, target, lambda: cls, summary, file.title, file.path, file.sha256)


def _read_names(file: LocalFile) -> Mapping[tuple[str, str], str]:
    try:
        return registry.registered_classes(file.path)
    except (SyntaxError, ValueError) as problem:
        raise failure(file.title, problem, file.path) from None


def _check_names(staged: Sequence[Declaration]) -> None:
    """Raise PluginError for a name that maquette, a plugin or another of the files has."""
    names: dict[tuple[str, str], Declaration] = {}
    for declaration in staged:
        others = [source for source in registry.sources(declaration.kind, declaration.name) if source != SOURCE]
        first = names.setdefault((declaration.kind, declaration.name), declaration)
        if others or first is not declaration:
            owner = first.owner if first is not declaration else others[0]
            raise PluginError(f"{declaration.title} has a name that is taken by {owner}; give it another")

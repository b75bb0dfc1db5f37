"""Submissions: the records of a suite with their predictions, checked and packed into one file."""

from __future__ import annotations

import json
import lzma
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from maquette.bench.outlines import OUTLINE_FILE, OUTLINE_FOLDER
from maquette.bench.record_checks import Finding, check_records
from maquette.bench.records import LOCK_FOLDER, Record, find_records, read_record
from maquette.bench.suites import Suite
from maquette.errors import ConfigError, RunError
from maquette.files import atomic_path, display_path, file_hash

INDEX_FILE = "index.json"  # in the archive: path -> sha256 of all other files
MOST_BYTES = 4 * 2**30  # of an archive's content
MOST_FILES = 200_000
# of zipfile, for archives that are damaged, encrypted (RuntimeError) or packed by an unknown method
BROKEN = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Submission:
    """What was packed.

    Args:
        file: the archive.
        records: number of records.
        notes: what is worth a look, and refuses nothing.
    """

    file: Path
    records: int
    notes: tuple[Finding, ...]


def pack(
    results: Path, suite: Suite, file: Path, methods: Sequence[str] = (), parts: Sequence[Path] = ()
) -> Submission:
    """Check the records of a suite and pack them with their predictions into a zip archive.

    Args:
        results: folder of all results.
        suite: of which they are.
        file: the archive to write.
        methods: names of rows; none: all.
        parts: files and folders of local parts, with which the results were made.

    Raises:
        ConfigError: there are no records of the suite, or of a method.
        RunError: a check fails; says what.
    """
    folder = results / suite.title
    findings, records = check_records(folder, suite, parts) if folder.is_dir() else ([], [])
    chosen = {record.method for record in records if not methods or record.method in methods}
    if absent := [name for name in methods if name not in chosen] or (not chosen and [suite.title]):
        raise ConfigError(f"there are no records of {', '.join(absent)} in {display_path(results)}")
    concerned = [finding for finding in findings if not methods or finding.method in (*chosen, "")]
    errors = [finding for finding in concerned if finding.level == "error"]
    if errors:
        raise RunError(f"{len(errors)} checks fail; the first: {errors[0].unit}: {errors[0].message}")
    packed = [record for record in records if record.method in chosen]
    files = _files(folder, {(record.method, record.config_hash) for record in packed})
    index = {path.relative_to(results).as_posix(): file_hash(path) for path in files}
    with atomic_path(file) as place, zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(results).as_posix())
        archive.writestr(INDEX_FILE, json.dumps(index, indent=1))
    return Submission(file, len(packed), tuple(finding for finding in concerned if finding.level == "note"))


def unpack(file: Path, folder: Path) -> Path:
    """Unpack a submission into an empty folder, and check each file against its index; returns the folder.

    Raises:
        ConfigError: it is no submission, has a path that leads elsewhere, is too large, or a file was exchanged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise ConfigError(f"this submission holds more than {MOST_BYTES} bytes", file=display_path(file))
            for entry in entries:
                place = PurePosixPath(entry.filename)
                if place.is_absolute() or ".." in place.parts:
                    raise ConfigError(f"the path {entry.filename!r} leads out of it", file=display_path(file))
            archive.extractall(folder, entries)
        index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
    except BROKEN as problem:
        raise ConfigError(f"this is no submission: {problem}", file=display_path(file)) from None
    if not isinstance(index, dict):
        raise ConfigError(f"this is no submission: its {INDEX_FILE} is no table", file=display_path(file))
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    paths.pop(INDEX_FILE)
    wrong = [name for name in {**index, **paths} if name not in paths or file_hash(paths[name]) != index.get(name)]
    if wrong:
        raise ConfigError(f"{wrong[0]} is not the file of the index", file=display_path(file))
    return folder


def _files(folder: Path, configurations: set[tuple[str, str]]) -> list[Path]:
    """The records of methods and configurations with all beside them, and the lists of packages that they name."""
    records: list[tuple[Path, Record]] = [(path, read_record(path)) for path in find_records(folder)]
    chosen = [(path, record) for path, record in records if (record.method, record.config_hash) in configurations]
    neighbours = [inner for path, _ in chosen for inner in path.parent.rglob("*")]
    locks = [
        folder / LOCK_FOLDER / f"{record.manifest['lock']}.txt" for _, record in chosen if "lock" in record.manifest
    ]
    outline = folder / OUTLINE_FOLDER / OUTLINE_FILE
    files = {path for path in (*neighbours, *locks, outline) if path.is_file() and not path.name.startswith(".")}
    return sorted(files)

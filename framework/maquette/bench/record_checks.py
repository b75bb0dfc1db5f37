"""What can be checked of records without measuring: content, place, configuration, predictions, cases and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from maquette.bench.measuring import VIEWS_FILE
from maquette.bench.records import ORACLE, TRIVIAL, Record, find_records, hash_of, read_record, time_of
from maquette.bench.suites import Suite
from maquette.bench.units import Unit, config_hash, local_files_needed, shared_fingerprint, suite_unit, unit_place
from maquette.config.origins import leaves
from maquette.errors import ConfigError
from maquette.files import display_path, file_hash
from maquette.metrics.base import Case
from maquette.plugins.local import LocalParts, read_files


@dataclass(frozen=True)
class Finding:
    """What is wrong with a record, or worth a note.

    Args:
        level: an error refuses the submission.
        method: of the record; "": it could not be read.
        unit: method, case and seed, or the file.
        message: what it is.
    """

    level: Literal["error", "note"]
    method: str
    unit: str
    message: str


@dataclass(frozen=True)
class Entry:
    """A record of a method, and where it is."""

    record: Record
    path: Path

    @property
    def unit(self) -> str:
        return f"{self.record.method}, {self.record.case}, seed {self.record.seed}"

    def error(self, message: str) -> Finding:
        return Finding("error", self.record.method, self.unit, message)

    def note(self, message: str) -> Finding:
        return Finding("note", self.record.method, self.unit, message)


def check_records(
    folder: Path, suite: Suite, parts: Sequence[Path] = (), limit: int | None = None
) -> tuple[list[Finding], list[Record]]:
    """Check the records of a suite without measuring: schema, digest, place, coverage, configuration, predictions.

    Args:
        folder: of all results, or of a submission.
        suite: the suite as it is installed here.
        parts: files and folders of local parts; without any, none is imported.
        limit: of a board that has the suite's first cases alone: how many; None: all.

    Returns:
        Findings, and the records of methods.

    Raises:
        ConfigError: there are no records of the suite, or methods have parts in local files and none are given.
    """
    entries, findings = read_entries(folder, suite)
    files = files_by_digest(parts)
    for entry in entries:
        findings += _check_record(entry, suite, folder, files)
    findings += _check_coverage(entries, suite, suite.cases[:limit])
    findings += _check_identical(entries)
    return findings, [entry.record for entry in entries]


def read_entries(folder: Path, suite: Suite) -> tuple[list[Entry], list[Finding]]:
    """The records of methods below a folder, of the newest configuration of each; what cannot be read is a finding."""
    entries, findings = list[Entry](), list[Finding]()
    paths = find_records(folder)
    if not paths:
        raise ConfigError(f"there are no records in {display_path(folder)}")
    for path in paths:
        try:
            record = read_record(path)
        except ConfigError as problem:
            findings.append(Finding("error", "", display_path(path), str(problem)))
            continue
        if record.suite != suite.title:
            continue
        baseline = record.method in (ORACLE, TRIVIAL)
        if baseline != (record.source == "baseline"):
            findings.append(Entry(record, path).error(_source_problem(record)))
        elif not baseline:
            entries.append(Entry(record, path))
    if not entries and not findings:
        raise ConfigError(f"there are no records of {suite.title} in {display_path(folder)}")
    return _newest(entries), findings


def _source_problem(record: Record) -> str:
    if record.source == "baseline":
        return f"its source is 'baseline', and its method is neither {ORACLE!r} nor {TRIVIAL!r}"
    return f"its source is {record.source!r}, and {record.method!r} is the name of a baseline"


def _newest(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of the newest configuration of each method: older ones may be unfinished, and are in no table."""
    written: dict[tuple[str, str], float] = {}
    for entry in entries:
        key = (entry.record.method, entry.record.config_hash)
        written[key] = max(written.get(key, 0.0), time_of(entry.record, entry.path))
    newest = dict(sorted(written, key=lambda key: written[key]))  # of a method, the last configuration stays
    return [entry for entry in entries if newest[entry.record.method] == entry.record.config_hash]


def _check_record(entry: Entry, suite: Suite, folder: Path, files: Mapping[str, Path]) -> Iterator[Finding]:
    record = entry.record
    if record.digest != record.expected_digest:
        yield entry.error("a key was changed after it was written: its digest is not that of its content")
    if record.suite_digest != suite.digest:
        yield entry.error(
            f"it is of another {suite.title}: cases, metrics, protocol, baselines or limits differ "
            f"({record.suite_digest}, here {suite.digest})"
        )
    case = next((case for case in suite.cases if case.title == record.case), None)
    if case is not None:
        place = unit_place(suite.title, record.method, record.config_hash, case, record.seed)
        if entry.path.parent.parts[-len(place.parts) :] != place.parts:
            yield entry.error(f"it stands in {display_path(entry.path.parent)}, and its place is {place}")
    for name, digest in record.predictions.items():
        path = entry.path.parent / name
        if not path.is_file():
            yield entry.error(f"its prediction {name} is missing")
        elif file_hash(path) != digest:
            yield entry.error(f"its prediction {name} is another file than the one that was scored")
    if record.source == "run" and record.status != "failed":
        yield from _check_configuration(entry, suite, case, files)
    if record.source == "score" and hash_of(dict(record.manifest.get("config") or {})) != record.config_hash:
        yield entry.error("its system was changed: its hash is not that of the recorded name and version")


def _check_configuration(entry: Entry, suite: Suite, case: Case | None, files: Mapping[str, Path]) -> Iterator[Finding]:
    """Whether the recorded configuration is the one that the hash is of, and that of the suite's method."""
    record, shared = entry.record, _shared_of(entry.record.manifest)
    if shared is None or config_hash(shared) != record.config_hash:
        yield entry.error("its configuration was changed: its hash is not that of the recorded one")
        return
    if record.method not in suite.columns:
        yield entry.error(f"the suite has no method {record.method!r}")
        return
    if case is None:
        return
    local_files = _recorded_local_files(shared)
    if local_files and not files:
        raise local_files_needed(f"the record {entry.unit}", list(local_files))
    if absent := [name for name, digest in local_files.items() if digest not in files]:
        yield entry.error(f"its local parts in {', '.join(absent)} are not those that are given: the content differs")
        return
    unit = unit_of(record, suite, Path("runs"), files)
    if record.shrunk and record.manifest.get("smaller") != suite.columns[record.method].smaller:
        yield entry.error("it was made with smaller settings that the suite's method does not have")
    ours = shared_fingerprint(unit.fingerprint, case)
    here, there = leaves(ours["config"]), leaves(shared["config"])
    changed = [key for key in {**here, **there} if here.get(key) != there.get(key)]
    if changed:
        key = changed[0]
        yield entry.error(
            f"its configuration is not the suite's: {key} is {there.get(key)!r}, and the suite has {here.get(key)!r}"
            + (f", and {len(changed) - 1} more differ" if len(changed) > 1 else "")
        )
    if sorted(ours["inputs"].values()) != sorted(shared["inputs"].values()):
        yield entry.error("its weights or inputs are others than those that are installed here")
    if ours["distributions"] != shared["distributions"]:
        yield entry.note("it was made by other versions of the packages than those that are installed here")


def _shared_of(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        shared = {name: dict(manifest[name]) for name in ("config", "distributions", "inputs")}
    except (KeyError, TypeError, ValueError):
        return None
    return shared


def _recorded_local_files(shared: Mapping[str, Any]) -> dict[str, str]:
    """Name -> sha256 of the local files of a run, from its shared fingerprint."""
    contents = shared["config"].get("plugins") or []
    return {name: digest for name, digest in shared["inputs"].items() if f"content {digest}" in contents}


def files_by_digest(parts: Sequence[Path]) -> dict[str, Path]:
    """sha256 -> path of the local files that are given."""
    return {file.sha256: file.path for file in read_files(parts)}


def unit_of(record: Record, suite: Suite, root: Path, files: Mapping[str, Path]) -> Unit:
    """The unit of the suite that a record is of, with those of the given local files that the record had."""
    case = next(case for case in suite.cases if case.title == record.case)
    digests = _recorded_local_files(_shared_of(record.manifest) or {"config": {}, "inputs": {}}).values()
    local = LocalParts(bool(files), [path for digest, path in files.items() if digest in digests])
    return suite_unit(suite, record.method, case, record.seed, root, (), local)


def _check_coverage(entries: Sequence[Entry], suite: Suite, cases: Sequence[Case]) -> Iterator[Finding]:
    """Each method with each configuration has each case and seed once; failures are records, too."""
    first = "" if len(cases) == len(suite.cases) else f" among its first {len(cases)}"
    groups: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for entry in entries:
        record = entry.record
        groups.setdefault((record.method, record.config_hash), []).append((record.case, record.seed))
    for (method, config), units in groups.items():
        expected = {(case.title, seed) for case in cases for seed in suite.seeds_of(method)}
        for case, seed in sorted(expected - set(units)):
            yield Finding(
                "error", method, f"{method} {config[:8]}", f"there is no record of the case {case!r}, seed {seed}"
            )
        for case, seed in sorted(set(units) - expected):
            message = f"the suite has no case {case!r} with seed {seed}{first}"
            yield Finding("error", method, f"{method} {config[:8]}", message)


def _check_identical(entries: Sequence[Entry]) -> Iterator[Finding]:
    """No prediction is that of another case, or of another method."""
    first: dict[str, Entry] = {}
    for entry in entries:
        digest = _subject_digest(entry.record.predictions)
        other = first.setdefault(digest, entry) if digest else entry
        if other is entry:
            continue
        if other.record.case != entry.record.case:
            yield entry.error(f"its predictions are identical to those of the case {other.record.case!r}")
        else:
            yield entry.note(f"its predictions are identical to those of {other.unit}")


def _subject_digest(predictions: Mapping[str, str]) -> str:
    """What identifies a subject: its meshes, Gaussians or pictures, without cameras; "" if nothing was kept."""
    hashes = {name: digest for name, digest in predictions.items() if not name.endswith((".json", ".toml", ".txt"))}
    of_subject = sorted(digest for name, digest in hashes.items() if name != VIEWS_FILE)
    return " ".join(of_subject or sorted(hashes.values()))

"""Records of a suite: one file for each method, case and seed, with what its numbers depend on.

A record stands in `<suite>@<version>/<method>/<config-hash>/<case>/<seed>/result.json`, beside its predictions. It is
written last, by a rename, and never changed: a unit with a record is done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from maquette.config.parts import check
from maquette.errors import ConfigError, RunError
from maquette.files import display_path, write_atomically
from maquette.metrics.base import Direction
from maquette.runs.failures import FailureKind

RECORD_FILE = "result.json"
FAILURE_FILE = "failure.json"  # a record of a failure, which another attempt replaces
FORMAT = 1  # of the records; a change of a key's meaning changes it
ORACLE, TRIVIAL = "oracle", "trivial"  # methods of the baselines' records
LOCK_FOLDER = "locks"  # of a suite's results: versions of all packages that records were made with
Status = Literal["done", "failed", "refused"]
Source = Literal["run", "score", "baseline"]


@dataclass(frozen=True)
class Attempt:
    """An attempt of a run that failed."""

    kind: FailureKind  # class of the failure
    message: str  # its last words


@dataclass(frozen=True)
class Record:
    """The result of one method for one case and seed."""

    suite: str  # name and version, as in my-suite@1
    suite_digest: str  # of what the suite's numbers mean
    method: str  # name of the column
    config_hash: str  # of configuration, parts and weights, without case and seed
    case: str  # title of the case
    seed: int  # of the run
    source: Source  # made by a run, scored from files that were made elsewhere, or one of the suite's baselines
    status: Status  # done; failed: there are no values; refused: a value surpasses the oracle's
    error: str = ""  # why it failed or is refused
    kind: FailureKind | Literal[""] = ""  # class of the failure
    attempts: list[Attempt] = field(default_factory=list)  # attempts that failed before
    shrunk: bool = False  # made with the column's smaller settings, as memory did not suffice
    values: dict[str, float] = field(default_factory=dict)  # metric@version/value -> number
    better: dict[str, Direction] = field(default_factory=dict)  # the same -> whether higher or lower is better
    facts: dict[str, Any] = field(default_factory=dict)  # details of the metrics
    above_oracle: list[str] = field(default_factory=list)  # values that surpass the oracle's
    below_trivial: list[str] = field(default_factory=list)  # values that are worse than the trivial row's
    costs: dict[str, float] = field(default_factory=dict)  # seconds, peak_memory_mb, peak_gpu_memory_mb, nonfinite
    predictions: dict[str, str] = field(default_factory=dict)  # file beside the record -> its sha256
    manifest: dict[str, Any] = field(default_factory=dict)  # config, weights, packages, commit, hardware, times
    format: int = FORMAT  # of the record
    digest: str = ""  # sha256 of all other keys

    def sealed(self) -> Record:
        """The same record with its digest."""
        return dataclasses.replace(self, digest=self.expected_digest)

    @property
    def expected_digest(self) -> str:
        """The sha256 of all keys but `digest`, as canonical JSON."""
        content = {name: value for name, value in dataclasses.asdict(self).items() if name != "digest"}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def write_record(record: Record, folder: Path) -> Path:
    """Write a record into its folder, last of all that is there.

    Raises:
        RunError: it holds a number that is not finite, or the folder has a record.
    """
    path = folder / RECORD_FILE
    if path.exists():
        raise RunError(f"there is a record already, and records are never changed: {display_path(path)}")
    try:
        text = json.dumps(dataclasses.asdict(record.sealed()), indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as problem:
        raise RunError(
            f"a record has numbers that are not finite ({problem}): {record.method}, {record.case}"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, f"{text}\n")
    return path


def write_failure(record: Record, folder: Path) -> Path:
    """Write the record of a failure, over that of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dataclasses.asdict(record.sealed()), indent=1, ensure_ascii=False)
    write_atomically(folder / FAILURE_FILE, f"{text}\n")
    return folder / FAILURE_FILE


def read_record(path: Path) -> Record:
    """Read a record and check keys and types, and not its digest.

    Raises:
        ConfigError: it cannot be read, is not what the schema says, or names another folder; names the file and key.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ConfigError(f"this is no record: {problem}", file=display_path(path)) from None
    try:
        record: Record = check(Record, data, "", lambda key: None)
    except ConfigError as problem:
        raise ConfigError(
            problem.message, key=problem.key, file=display_path(path),
            hint=problem.hint or "`maquette schema --record` prints what a record has",
        ) from None  # fmt: skip
    if reason := place_problem(record):
        raise ConfigError(reason, file=display_path(path))
    return record


def place_problem(record: Record) -> str:
    """Why a record's names cannot be names of folders, and might lead elsewhere; "" if they can."""
    if record.suite in ("", ".", "..") or not re.fullmatch(r"[^/\\\0]*", record.suite):
        return f"its suite is not the name of a folder: {record.suite!r}"
    if not re.fullmatch("[0-9a-f]+", record.config_hash):
        return f"its config_hash is not of hexadecimal digits: {record.config_hash!r}"
    return ""


def find_records(folder: Path) -> list[Path]:
    """The records below a folder, of successes and of failures, in the order of their names."""
    return sorted(path for name in (RECORD_FILE, FAILURE_FILE) for path in folder.rglob(name))


def time_of(record: Record, path: Path) -> float:
    """When a record's run began, in seconds since 1970; without that, when its file was written."""
    try:
        return datetime.fromisoformat(str(record.manifest.get("started"))).timestamp()
    except ValueError:
        return path.stat().st_mtime


def record_schema() -> dict[str, Any]:
    """The JSON schema of a record (draft 7)."""
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "a record of a suite"} | _object(Record)


def _object(cls: type) -> dict[str, Any]:
    from maquette.config.descriptions import describe_config

    types, docs = typing.get_type_hints(cls), {option.name: option.doc for option in describe_config(cls)}
    fields = dataclasses.fields(cls)
    return {
        "type": "object",
        "properties": {one.name: _schema(types[one.name]) | {"description": docs[one.name]} for one in fields},
        "required": [one.name for one in fields],
        "additionalProperties": False,
    }


def _schema(expected: Any) -> dict[str, Any]:
    """The schema of a field's type: those that a record has."""
    leaves = {int: "integer", float: "number", str: "string", bool: "boolean"}
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if expected in leaves:
        return {"type": leaves[expected]}
    if expected is Any:
        return {}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is Literal:
        return {"enum": list(arguments)}
    if dataclasses.is_dataclass(expected) and isinstance(expected, type):
        return _object(expected)
    return {"anyOf": [_schema(argument) for argument in arguments]}


def hash_of(data: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of plain data."""
    text = json.dumps(data, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]

"""What a keeper verified: files beside the records, which name each verified record by its digest.

A record that is changed afterwards has another digest, and with it no trust.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maquette.bench.measuring import measured_by
from maquette.bench.records import hash_of
from maquette.bench.verifying import Verdict
from maquette.config.parts import check
from maquette.errors import ConfigError
from maquette.files import display_path, write_atomically

FOLDER = "verdicts"  # in the folder of a suite's records


@dataclass(frozen=True)
class VerdictEntry:
    """A verification as it is stored."""

    suite: str  # name and version
    trust: dict[str, int]  # digest of a record -> 0, 1 or 2
    errors: list[str] = field(default_factory=list)  # what was wrong, in words
    written: str = ""  # UTC
    by: dict[str, Any] = field(default_factory=dict)  # commit, versions and machine of the keeper


def keep_verdict(verdict: Verdict, suite: str, results: Path) -> Path:
    """Write a verification to `<results>/<suite>/verdicts/<hash>.json`; returns the file."""
    entry = VerdictEntry(
        suite, dict(verdict.trusted), [f"{error.unit}: {error.message}" for error in verdict.errors],
        datetime.now(UTC).isoformat(), measured_by(),
    )  # fmt: skip
    path = results / suite / FOLDER / f"{hash_of(asdict(entry))}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(entry), indent=1, ensure_ascii=False) + "\n")
    return path


def read_trust(folder: Path) -> Mapping[str, int]:
    """Digest of a record -> its trust by the latest verification, of a suite's folder of records.

    Raises:
        ConfigError: a file of verifications is broken; names it.
    """
    verdicts = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            entry: VerdictEntry = check(
                VerdictEntry, json.loads(path.read_text(encoding="utf-8")), "", lambda key: None
            )
        except (OSError, ValueError, ConfigError) as problem:
            raise ConfigError(f"this is no verification: {problem}", file=display_path(path)) from None
        verdicts.append(entry)
    trust: dict[str, int] = {}
    for entry in sorted(verdicts, key=lambda entry: entry.written):
        trust |= entry.trust
    return trust

"""Verification: the checks of records, their values measured anew from predictions, and a sample run anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from maquette.bench.baselines import Bounds, baseline_records
from maquette.bench.measuring import SuiteMetrics, any_error_as_ours, measured_by
from maquette.bench.record_checks import Entry, Finding, check_records, files_by_digest, read_entries, unit_of
from maquette.bench.records import ORACLE, TRIVIAL, Record, find_records, read_record
from maquette.bench.running import judged, run_units
from maquette.bench.scoring import kept_subject
from maquette.bench.suites import Suite
from maquette.bench.units import Unit
from maquette.errors import ConfigError, MaquetteError
from maquette.kernels.cores import available_cores
from maquette.metrics.base import Case
from maquette.randomness import Draws
from maquette.runs.jobs import ExecutorName

EXACT = ("instruction_set", "numba_target", "dtype", "threads", "processor")  # of a machine: then bits agree
ROUNDING = 5e-4  # absolute and relative difference of a figure that is measured on another machine
NOISE = 3.0  # standard deviations over seeds within which a re-run counts as agreeing
LEAST_NOISE = 0.05  # at least, over the distance between oracle and trivial row


@dataclass(frozen=True)
class Verdict:
    """The result of a verification.

    Args:
        findings: errors and notes.
        records: number of records of methods.
        rescored: of how many the values were measured anew from their predictions.
        rerun: of how many the run was made anew.
        trusted: digest of each record -> the trust of its method: 0, 1 or 2.
    """

    findings: tuple[Finding, ...]
    records: int
    rescored: int
    rerun: int
    trusted: Mapping[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> list[Finding]:
        """The findings that refuse."""
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def trust(self) -> int:
        """0: self-reported; 1: all values measured anew from shipped predictions; 2: a sample re-run."""
        if self.errors:
            return 0
        return (2 if self.rerun else 1) if self.rescored == self.records else 0


def verify(
    folder: Path,
    suite: Suite,
    work: Path,
    rerun: int = 0,
    seed: int = 0,
    executor: ExecutorName = "process",
    parts: Sequence[Path] = (),
    limit: int | None = None,
) -> Verdict:
    """Verify the results of a suite: the checks of `check_records`, values anew from predictions, and a sample re-run.

    Args:
        folder: of all results, or of a submission.
        suite: the suite as it is installed here.
        work: folder for baselines and re-runs.
        rerun: number of units that are run anew, drawn at random among those that were run here: one of each method
            before a second of any.
        seed: of that draw.
        executor: of the re-runs.
        parts: files and folders of local parts; without any, none is imported.
        limit: of a board that has the suite's first cases alone: how many; None: all.

    Raises:
        ConfigError: there are no records of the suite, or methods have parts in local files and none are given.
    """
    findings, _ = check_records(folder, suite, parts, limit)
    entries, _ = read_entries(folder, suite)
    metrics = SuiteMetrics.build(suite)
    bounds = baseline_records(suite, metrics, work / "baselines")
    findings += _check_baselines(folder, suite, bounds)
    cases = {case.title: case for case in suite.cases}
    rescored = []
    for entry in entries:
        if entry.record.status == "failed":
            rescored.append(entry)  # it has no values to doubt, and counts as the trivial row
        elif entry.record.case in cases:
            problems = _rescore(entry, suite, metrics, bounds[entry.record.case], cases[entry.record.case])
            findings += problems
            rescored += [] if problems else [entry]
    runs = [entry for entry in entries if entry.record.case in cases and _can_be_rerun(entry.record, suite)]
    chosen, files = _sample(runs, rerun, seed), files_by_digest(parts)
    for entry in chosen:
        unit = unit_of(entry.record, suite, work / "runs", files)
        findings += _rerun(entry, entries, suite, unit, bounds[entry.record.case], work, executor)
    trusted = _trust_by_record(entries, findings, rescored, chosen)
    return Verdict(tuple(findings), len(entries), len(rescored), len(chosen), trusted)


def _check_baselines(folder: Path, suite: Suite, bounds: Mapping[str, Bounds]) -> Iterator[Finding]:
    """Whether the baselines beside the records, which fill failures and end the bars, are those measured here."""
    for path in find_records(folder / suite.title):
        if path.relative_to(folder / suite.title).parts[0] not in (ORACLE, TRIVIAL):
            continue
        try:
            record = read_record(path)
        except ConfigError:
            continue  # a finding of `check_records`
        if record.case not in bounds:
            continue
        ours = bounds[record.case].oracle if record.method == ORACLE else bounds[record.case].trivial
        for name, claimed, value in _differing(record.values, ours):
            message = f"{name} is claimed to be {claimed}, and measured here it is {value}"
            yield Finding("error", "", f"{record.method}, {record.case}", message)


def _can_be_rerun(record: Record, suite: Suite) -> bool:
    return record.source == "run" and record.status == "done" and not record.shrunk and record.method in suite.columns


def _trust_by_record(
    entries: Sequence[Entry], findings: Sequence[Finding], rescored: Sequence[Entry], rerun: Sequence[Entry]
) -> dict[str, int]:
    """Digest of each record -> the trust of its method: that of its worst record, and of no other method's."""
    wrong = {finding.method for finding in findings if finding.level == "error"}
    measured = {entry.record.digest for entry in rescored}
    unmeasured = {entry.record.method for entry in entries if entry.record.digest not in measured}
    again = {entry.record.method for entry in rerun}
    return {
        entry.record.digest: 0 if (method := entry.record.method) in wrong or method in unmeasured
        else 2 if method in again else 1
        for entry in entries
    }  # fmt: skip


def _rescore(entry: Entry, suite: Suite, metrics: SuiteMetrics, bounds: Bounds, case: Case) -> list[Finding]:
    """Measure the predictions anew; what differs, or cannot be measured, is a finding."""
    record = entry.record
    try:
        subject = kept_subject(entry.path.parent, suite, case)
    except MaquetteError as problem:
        return [entry.error(f"its prediction cannot be read: {problem}")]
    if subject is None:
        return [entry.note("it ships no prediction that can be scored again: its values are self-reported")]
    try:
        with any_error_as_ours(entry.unit):
            values = metrics.measure(subject, case).values
    except MaquetteError as problem:
        return [entry.error(f"its prediction cannot be measured: {problem}")]
    measured = record.manifest.get("measured")
    exact = isinstance(measured, dict) and same_environment(measured.get("machine"), measured_by()["machine"])
    findings = [
        entry.error(f"{name} is claimed to be {claimed}, and its prediction scores {value}")
        for name, claimed, value in _differing(record.values, values, exact)
    ]
    anew = judged(replace(record, values=values, status="done", error="", above_oracle=[], below_trivial=[]), bounds)
    if not findings and anew.status != record.status:
        findings.append(entry.error(f"it is recorded as {record.status}, and beside the baselines it is {anew.status}"))
    return findings


def _differing(
    claims: Mapping[str, float], values: Mapping[str, float], exact: bool = False
) -> Iterator[tuple[str, float | None, float | None]]:
    """Name, claim and value of each figure whose claim is another, by more than rounding unless `exact`, or missing."""
    for name in dict.fromkeys([*claims, *values]):
        claimed, value = claims.get(name), values.get(name)
        if claimed is None or value is None or abs(claimed - value) > (0 if exact else ROUNDING * (1 + abs(value))):
            yield name, claimed, value


def same_environment(one: Any, other: Any) -> bool:
    """Whether two machines give equal bits: instruction set, compilation target, dtype, threads and processor agree."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    return all(key in one and one.get(key) == other.get(key) for key in EXACT)


def _sample(entries: Sequence[Entry], count: int, seed: int) -> list[Entry]:
    """Some entries without repetition, by a seed: one of each method before a second of any."""
    order = Draws(seed, 0, "verify/").uniform("order", len(entries)).argsort().tolist() if entries else []
    counts: Counter[str] = Counter()

    def turn(entry: Entry) -> int:
        counts[entry.record.method] += 1
        return counts[entry.record.method]

    return sorted((entries[i] for i in order), key=turn)[:count]


def _rerun(
    entry: Entry, entries: Iterable[Entry], suite: Suite, unit: Unit, bounds: Bounds, work: Path,
    executor: ExecutorName,
) -> list[Finding]:  # fmt: skip
    """Run a unit anew and compare its values: bits in the same environment, the noise of seeds in another."""
    record = entry.record
    processes = max(1, available_cores() // _threads(record))  # then the run has as many threads
    row = run_units(suite, [unit], work / "runs", work / "results", processes, executor).rows[0]
    if row.record.status != record.status:
        return [entry.error(f"run anew it is {row.record.status}: {row.error}")]
    same_code = row.record.config_hash == record.config_hash
    exact = same_code and same_environment(record.manifest.get("machine"), row.record.manifest.get("machine"))
    findings = []
    for name, claimed in record.values.items():
        value = row.record.values.get(name)
        allowed = 0.0 if exact else _noise(record, entries, name, bounds)
        if value is None or abs(value - claimed) > allowed:
            within = "the same environment, to the bit" if exact else f"another environment, within {allowed:.3g}"
            findings.append(entry.error(f"{name} is claimed to be {claimed}, and run anew it is {value} ({within})"))
    if not findings:
        how = "to the bit" if exact else "within the noise of seeds, in another environment"
        findings.append(entry.note(f"run anew it agrees {how}"))
    return findings


def _threads(record: Record) -> int:
    """Of the record's run; all cores if it does not say."""
    machine = record.manifest.get("machine")
    threads = machine.get("threads") if isinstance(machine, dict) else None
    return threads if isinstance(threads, int) and threads > 0 else available_cores()


def _noise(record: Record, entries: Iterable[Entry], name: str, bounds: Bounds) -> float:
    """How far a value may be off by chance: three standard deviations over the seeds of the method and case."""
    values = [
        other.record.values[name]
        for other in entries
        if (other.record.method, other.record.case) == (record.method, record.case) and name in other.record.values
    ]
    noise = NOISE * float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    bounded = name in bounds.oracle and name in bounds.trivial
    distance = abs(bounds.oracle[name] - bounds.trivial[name]) if bounded else abs(record.values[name])
    return max(noise, LEAST_NOISE * distance)

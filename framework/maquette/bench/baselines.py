"""The rows that bound what a result can mean: the oracle, which none surpasses, and the trivial one."""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maquette.bench.measuring import VIEWS_FILE, Measured, SuiteMetrics, measured_by, write_views
from maquette.bench.records import ORACLE, RECORD_FILE, TRIVIAL, Record, hash_of, read_record, write_record
from maquette.bench.suites import Suite
from maquette.bench.units import unit_place
from maquette.errors import ConfigError, RunError
from maquette.files import file_hash
from maquette.metrics.base import Case, Direction, MeasuredSubject
from maquette.metrics.subjects import TrueSubject, trivial_subject
from maquette.runs.view_sheets import sheet_views

TOLERANCE = 0.02  # by which a value may surpass the oracle's, over the distance between oracle and trivial
LEAST_TOLERANCE = 1e-3  # the same where both are equal, over the oracle's own size: values are rounded and sampled
SEED = 0  # under which baselines are recorded


@dataclass(frozen=True)
class Bounds:
    """The baselines of one case.

    Args:
        oracle, trivial: values by name.
        bounding: values whose oracle bounds each case; others may surpass it by chance, as a retrieval may.
    """

    oracle: Mapping[str, float]
    trivial: Mapping[str, float]
    bounding: frozenset[str]

    def above_oracle(self, values: Mapping[str, float], better: Mapping[str, Direction]) -> list[str]:
        """The values that surpass the oracle's by more than the tolerance, where the trivial row does not."""
        names = [
            name
            for name in values
            if name in self.oracle
            and name in self.bounding
            and _gain(self.trivial.get(name, self.oracle[name]), self.oracle[name], better[name]) <= 0
        ]
        return [name for name in names if _gain(values[name], self.oracle[name], better[name]) > self._tolerance(name)]

    def below_trivial(self, values: Mapping[str, float], better: Mapping[str, Direction]) -> list[str]:
        """The values that are worse than the trivial row's, where it is a floor: a ball is smooth for free."""
        floors = [name for name in values if is_floor(self.trivial.get(name), self.oracle.get(name), better[name])]
        return [name for name in floors if _gain(values[name], self.trivial[name], better[name]) < 0]

    def _tolerance(self, name: str) -> float:
        oracle = self.oracle[name]
        distance = abs(oracle - self.trivial.get(name, oracle))
        return max(TOLERANCE * distance, LEAST_TOLERANCE * abs(oracle), LEAST_TOLERANCE)


def baseline_records(
    suite: Suite, metrics: SuiteMetrics, results: Path, cases: Container[str] | None = None
) -> dict[str, Bounds]:
    """Measure the baselines of each case, or read what was measured before.

    Args:
        suite: of which the metrics are.
        results: folder of all results, where the records of the methods `oracle` and `trivial` are written.
        cases: titles of the cases; None: all.

    Returns:
        Title of a case -> its bounds.

    Raises:
        ConfigError: a metric has no oracle in a case.
    """
    best = suite.baselines.best
    if unknown := [name for name in best if name not in metrics.directions]:
        raise ConfigError(
            "no metric of the suite measures this", key=f"baselines.best.{unknown[0]}",
            hint=f"measured: {', '.join(metrics.directions)}",
        )  # fmt: skip
    bounding = {
        name for name in metrics.directions if metrics.by_protocol[name.partition("/")[0]].compares() or name in best
    }
    bounds = {}
    for case in suite.cases:
        if cases is not None and case.title not in cases:
            continue
        rows = [_recorded(suite, metrics, results, case, method) for method in (ORACLE, TRIVIAL)]
        bounds[case.title] = Bounds(rows[0].values, rows[1].values, frozenset(bounding))
        for protocol in metrics.by_protocol:
            if not any(name.partition("/")[0] == protocol for name in rows[0].values):
                raise ConfigError(
                    f"the suite has no oracle row for {protocol} in the case {case.title!r}", key="baselines",
                    hint=f"give the case a truth, or the best values: baselines: {{best: {{{protocol}/...: 1}}}}",
                )  # fmt: skip
    return bounds


def is_floor(trivial: float | None, oracle: float | None, better: Direction) -> bool:
    """Whether the trivial row bounds a value from below: it has one, and the oracle's, if there is one, is better."""
    return trivial is not None and (oracle is None or _gain(oracle, trivial, better) > 0)


def floor_values(
    trivial: Mapping[str, float], oracle: Mapping[str, float], better: Mapping[str, Direction]
) -> dict[str, float]:
    """What a missing case counts as: the trivial row's values, of those in which it is a floor.

    In the others a missing case has no value: where a grey ball is as good as the true object, its would be a gain.

    Args:
        trivial, oracle: of the case.
        better: whether higher or lower is better, by value.

    Example:
        >>> better = {"psnr": "higher", "roughness": "lower"}
        >>> floor_values({"psnr": 9.0, "roughness": 0.3}, {"psnr": 40.0, "roughness": 1.0}, better)
        {'psnr': 9.0}
    """
    return {name: value for name, value in trivial.items() if is_floor(value, oracle.get(name), better[name])}


def _gain(value: float, other: float, better: Direction) -> float:
    """By how much a value is better than another one; negative if it is worse."""
    return value - other if better == "higher" else other - value


def _recorded(suite: Suite, metrics: SuiteMetrics, results: Path, case: Case, method: str) -> Record:
    kind = suite.baselines.trivial if method == TRIVIAL else "truth"
    key = hash_of({"baseline": kind, "suite": suite.digest, "metrics": dict(metrics.versions)})
    folder = results / unit_place(suite.title, method, key, case, SEED)
    if (folder / RECORD_FILE).is_file():
        return read_record(folder / RECORD_FILE)
    measured = _trivial(suite, metrics, case) if method == TRIVIAL else _oracle(suite, metrics, case)
    with suppress(ConfigError, RunError):  # a case without a truth, or one that is known by pictures alone, has none
        write_views(sheet_views(_subject(suite, case, method), suite.sheet_views), folder / VIEWS_FILE)
    pictures = [folder / VIEWS_FILE] if (folder / VIEWS_FILE).is_file() else []
    record = Record(
        suite.title, suite.digest, method, key, case.title, SEED, "baseline", "done", values=measured.values,
        better=metrics.directions, facts=measured.facts, manifest={"subject": kind, "measured": measured_by()},
        predictions={path.name: file_hash(path) for path in pictures},
    )  # fmt: skip
    write_record(record, folder)
    return record


def _subject(suite: Suite, case: Case, method: str) -> MeasuredSubject:
    """What a baseline's pictures are of: the true object, or the trivial row's."""
    return trivial_subject(suite.baselines.trivial) if method == TRIVIAL else TrueSubject(case.build_truth())


def _trivial(suite: Suite, metrics: SuiteMetrics, case: Case) -> Measured:
    return metrics.measure(trivial_subject(suite.baselines.trivial), case)


def _oracle(suite: Suite, metrics: SuiteMetrics, case: Case) -> Measured:
    """What each metric measures of its own oracle, or of the true object, and the best values that the suite gives."""
    true = TrueSubject(case.build_truth()) if case.truth is not None else None
    values: dict[str, float] = {}
    facts: dict[str, object] = {}
    for protocol, metric in metrics.by_protocol.items():
        subject = metric.oracle(case) or true
        if subject is None:
            continue
        try:
            measured = metrics.measure(subject, case, protocol)
        except RunError as problem:  # the truth is known by pictures alone, from other sides
            facts[f"{protocol}/problem"] = str(problem)
            continue
        values |= measured.values
        facts |= measured.facts
    return Measured(values | dict(suite.baselines.best), facts)

"""Tables of a suite's records: means with intervals, paired differences, seeds, failures, time and memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maquette.bench.records import ORACLE, TRIVIAL, Record, find_records, read_record, time_of
from maquette.bench.statistics import mean_with_interval, paired_difference
from maquette.bench.suites import Bar, Suite
from maquette.errors import ConfigError, did_you_mean
from maquette.files import display_path
from maquette.metrics.base import Direction

LEAST_CASES = 5  # of a difference whose interval is taken for more than chance: with fewer, bootstrap tells too little
COSTS = ("seconds", "cpu_seconds", "peak_memory_mb", "peak_gpu_memory_mb", "nonfinite")

ByCase = dict[str, dict[str, float]]
"""Case -> the mean over its seeds of each value."""


@dataclass(frozen=True)
class Row:
    """One method of a table.

    Args:
        name: of the method, with its configuration's hash where the table has several.
        cases: with values.
        seeds: the fewest of a case with values.
        failed, refused: number of units.
        below_trivial: units with a value that is worse than the trivial row's.
        values: name -> {mean, interval_95} over the cases, seeds averaged first.
        differences: name -> {mean, interval_95, larger, of}: this method minus the one compared with, over the cases of
            both; empty for that method itself.
        costs: seconds (mean), the largest peak memories, and steps that were not finite (sum).
        above_oracle: values whose mean surpasses the oracle's beyond chance.
    """

    name: str
    cases: int
    seeds: int
    failed: int
    refused: int
    below_trivial: int
    values: dict[str, dict[str, Any]]
    differences: dict[str, dict[str, Any]]
    costs: dict[str, float]
    above_oracle: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """The rows of a suite.

    Args:
        suite: name and version.
        better: value -> whether higher or lower is better, in the order of the columns.
        rows: oracle first, methods in their order, trivial last.
        against: method that the differences are to; "": there are none.
    """

    suite: str
    better: Mapping[str, Direction]
    rows: tuple[Row, ...]
    against: str = ""


@dataclass
class Group:
    """The records of one method with one configuration."""

    name: str
    config: str
    newest: float
    records: list[Record] = field(default_factory=list)

    def by_case(self) -> ByCase:
        """Means over the seeds of the units that are done."""
        cases: dict[str, list[Mapping[str, float]]] = {}
        for record in self.records:
            if record.status == "done":
                cases.setdefault(record.case, []).append(record.values)
        return {
            case: {
                name: float(np.mean([row[name] for row in rows if name in row]))
                for name in dict.fromkeys(name for row in rows for name in row)
            }
            for case, rows in cases.items()
        }


def read_table(folder: Path, against: str = "", every: bool = False) -> Table:
    """The table of all records below a folder, `results/<suite>@<version>`.

    Args:
        folder: of one suite.
        against: method that the others are compared with; "": the first one, if there are two.
        every: also older configurations of a method; otherwise the newest of each.

    Raises:
        ConfigError: there are no records, they are of several suites, a record is broken, or no method has that name.
    """
    paths = find_records(folder)
    if not paths:
        raise ConfigError(f"there are no records in {display_path(folder)}", hint="make some: maquette bench run SUITE")
    return make_table([(record := read_record(path), time_of(record, path)) for path in paths], against, every)


def make_table(records: Sequence[tuple[Record, float]], against: str = "", every: bool = False) -> Table:
    """The table of records, each with the time that it was written at; see `read_table`."""
    suites = sorted({record.suite for record, _ in records})
    if len(suites) > 1:
        raise ConfigError(f"records of several suites have no common table: {', '.join(suites)}")
    groups = group_records(records, every)
    methods = [name for name, group in groups.items() if group.name not in (ORACLE, TRIVIAL)]
    if against and against not in methods:
        raise ConfigError(
            f"there is no method {against!r} to compare with", key="against",
            hint=f"{did_you_mean(against, methods)}methods: {', '.join(methods)}",
        )  # fmt: skip
    reference = against or (methods[0] if len(methods) > 1 else "")
    better = {name: way for record, _ in records for name, way in record.better.items()}
    measured = {name for record, _ in records for name in record.values}
    better = {name: way for name, way in better.items() if name in measured}
    oracle, trivial = cases_of(ORACLE, groups), cases_of(TRIVIAL, groups)
    bounded = bounded_values(oracle, trivial, better)
    compared = groups[reference].by_case() if reference else {}
    rows = {
        name: _row(name, group, better, {} if name == reference or name not in methods else compared, oracle, bounded)
        for name, group in groups.items()
    }
    order = [
        *(name for name, group in groups.items() if group.name == ORACLE), *methods,
        *(name for name, group in groups.items() if group.name == TRIVIAL),
    ]  # fmt: skip
    return Table(suites[0], better, tuple(rows[name] for name in order), reference)


def summarise(
    cases: Sequence[Sequence[Mapping[str, float]]], bars: Mapping[str, Bar], directions: Mapping[str, Direction]
) -> dict[str, dict[str, Any]]:
    """Mean of each value over the cases, with its 95 % bootstrap interval over cases.

    Args:
        cases: for each case the values of its runs, one per seed, which are averaged first; failed runs have none, and
            cases of which all runs failed are left out and counted.
        bars, directions: of the values, by name.
    """
    summary: dict[str, dict[str, Any]] = {}
    for name, direction in directions.items():
        seeds = [[row[name] for row in rows if name in row] for rows in cases]
        column = np.array([np.mean(values) for values in seeds if values])
        if not len(column):
            continue
        summary[name] = {
            **mean_with_interval(column.tolist()),
            "cases": len(column),
            "missing": len(cases) - len(column),
            "better": direction,
        }
        if name in bars:
            bar = bars[name]
            limits = {"at_least": bar.at_least, "at_most": bar.at_most}
            summary[name]["bar"] = {key: limit for key, limit in limits.items() if limit is not None}
            summary[name]["passed"] = bar.passes(float(column.mean()))
    return summary


def bar_results(suite: Suite, records: Sequence[Record]) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, value and summary of each bar of a suite; a value that was not measured at all misses its bar."""
    results = []
    for method in suite.columns:
        done = [record for record in records if record.method == method and record.status == "done"]
        cases = [[record.values for record in done if record.case == case.title] for case in suite.cases]
        better = {name: way for record in records for name, way in record.better.items() if name in suite.bars}
        summary = summarise(cases, suite.bars, better)
        nothing = {"mean": float("nan"), "passed": False}
        for name, bar in suite.bars.items():
            limits = {"at_least": bar.at_least, "at_most": bar.at_most}
            bounds = {key: limit for key, limit in limits.items() if limit is not None}
            results.append((method, name, summary.get(name, nothing | {"bar": bounds})))
    return results


def group_records(records: Iterable[tuple[Record, float]], every: bool) -> dict[str, Group]:
    """Groups by their name in the table, in the order in which they were first written.

    Args:
        records: each with the time that it was written at.
        every: also older configurations of a method, each named with its hash; otherwise the newest of each.
    """
    groups: dict[tuple[str, str], Group] = {}
    for record, written in sorted(records, key=lambda pair: pair[1]):
        key = (record.method, record.config_hash)
        group = groups.setdefault(key, Group(*key, written))
        group.newest = max(group.newest, written)
        group.records.append(record)
    newest: dict[str, Group] = {}
    for group in groups.values():
        if group.name not in newest or group.newest > newest[group.name].newest:
            newest[group.name] = group
    if not every:
        return newest
    several = {name for name, _ in groups if sum(other == name for other, _ in groups) > 1}
    return {
        f"{group.name} {group.config[:8]}" if group.name in several else group.name: group for group in groups.values()
    }


def cases_of(name: str, groups: Mapping[str, Group]) -> ByCase:
    """The means by case of the first group of that name; none without one."""
    return next((group.by_case() for group in groups.values() if group.name == name), {})


def bounded_values(oracle: ByCase, trivial: ByCase, better: Mapping[str, Direction]) -> tuple[str, ...]:
    """The values that the oracle bounds: all but those in which the trivial row surpasses it, as a ball is smoother."""
    return tuple(name for name, way in better.items() if not is_better(_difference(trivial, oracle, name), way))


def _row(
    name: str, group: Group, better: Mapping[str, Direction], compared: ByCase, oracle: ByCase, bounded: Sequence[str]
) -> Row:
    mine = group.by_case()
    summary = summarise([[values] for values in mine.values()], {}, better)
    done = [record for record in group.records if record.status == "done"]
    seeds = [sum(record.case == case for record in done) for case in mine]
    return Row(
        name, len(mine), min(seeds, default=0), sum(record.status == "failed" for record in group.records),
        sum(record.status == "refused" for record in group.records),
        sum(bool(record.below_trivial) for record in done), summary,
        {one: difference for one in better if (difference := _difference(mine, compared, one))}, mean_costs(done),
        tuple(
            one
            for one in bounded
            if group.name not in (ORACLE, TRIVIAL) and _surpasses(mine, oracle, one, better[one])
        ),
    )  # fmt: skip


def _difference(mine: ByCase, other: ByCase, name: str) -> dict[str, Any]:
    both = [case for case in mine if name in mine[case] and name in other.get(case, {})]
    return paired_difference([mine[c][name] for c in both], [other[c][name] for c in both]) if both else {}


def beyond_chance(difference: Mapping[str, Any]) -> bool:
    """Whether the interval of a paired difference over five cases or more excludes 0."""
    if not difference or difference["of"] < LEAST_CASES:
        return False
    low, high = difference["interval_95"]
    return bool(low > 0 or high < 0)


def is_better(difference: Mapping[str, Any], better: Direction) -> bool:
    """Whether the mean of a paired difference is a gain; not if there is none."""
    mean = difference.get("mean", 0.0)
    return bool(mean > 0 if better == "higher" else mean < 0)


def _surpasses(mine: ByCase, oracle: ByCase, name: str, better: Direction) -> bool:
    """Whether the mean over the common cases surpasses the oracle's beyond chance."""
    difference = _difference(mine, oracle, name)
    return beyond_chance(difference) and is_better(difference, better)


def mean_costs(done: Sequence[Record]) -> dict[str, float]:
    """What some units took: seconds (mean), the largest peak memories, and steps that were not finite (sum)."""
    costs: dict[str, float] = {}
    for name in COSTS:
        column = [record.costs[name] for record in done if name in record.costs]
        if column:
            whole = np.mean(column) if name == "seconds" else np.sum(column) if name == "nonfinite" else np.max(column)
            costs[name] = round(float(whole), 1)
    return costs

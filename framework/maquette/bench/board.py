"""The board of a suite: its methods ranked, with the cases that failed filled by the trivial row.

A method does not gain by failing: a unit without values that count has the trivial row's, or, where that is as good as
the oracle's, none, and methods are compared over the cases that both have. Each value has a rank of its own, since a
blended score would hide what each tells; one in which the trivial row is better than the oracle has none. Oracle and
trivial row bound the values and have no rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from maquette.bench.baselines import floor_values
from maquette.bench.outlines import Outline, read_outline
from maquette.bench.records import ORACLE, TRIVIAL, Record, find_records, read_record, time_of
from maquette.bench.statistics import paired_difference, resampled_means
from maquette.bench.tables import (
    LEAST_CASES,
    Group,
    beyond_chance,
    bounded_values,
    cases_of,
    group_records,
    is_better,
    mean_costs,
)
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.metrics.base import Direction

RowKind = Literal["oracle", "method", "trivial"]
State = Literal["done", "failed", "refused", "missing"]
"""Of a unit; missing: it has no record, of success or of failure."""


@dataclass(frozen=True)
class Score:
    """One value of a row.

    Args:
        mean: over the cases, of which the seeds are averaged first and the failures are filled.
        low, high: bounds of its 95 % bootstrap interval over the cases.
        rank: 1 and one more for each method that is better beyond chance; None: of a baseline, of a value in which the
            trivial row surpasses the oracle, or there are fewer than five cases. Methods of one rank share a place.
        filled: number of units without a value of their own: they have that of `maquette.bench.baselines.floor_values`,
            or are left out.
    """

    mean: float
    low: float
    high: float
    rank: int | None = None
    filled: int = 0


@dataclass(frozen=True)
class BoardUnit:
    """One case and seed of a row.

    Args:
        case, seed: of which it is.
        state: whether it has values that count.
        record: None where it is missing.
        folder: of the record, with its pictures and meshes; None where it is missing.
    """

    case: str
    seed: int
    state: State
    record: Record | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class BoardRow:
    """One method of a board, or one of its baselines.

    Args:
        name: of the method, with its configuration's hash where the board has several.
        kind: what it is.
        config: the hash of the configuration.
        scores: by value.
        units: each case and seed that it should have.
        costs: as in `maquette.bench.tables.Row`.
        hardware: on which its units ran.
        plugins: distributions of its parts, without their versions.
        trust: 0: self-reported; 1: all measured anew; 2: a sample run anew.
        above_oracle: values whose mean surpasses the oracle's beyond chance.
    """

    name: str
    kind: RowKind
    config: str
    scores: Mapping[str, Score]
    units: tuple[BoardUnit, ...]
    costs: Mapping[str, float]
    hardware: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    trust: int = 0
    above_oracle: tuple[str, ...] = ()

    def count(self, state: State) -> int:
        """Number of its units in a state."""
        return sum(unit.state == state for unit in self.units)

    @property
    def below_trivial(self) -> int:
        """Number of its units with a value that is worse than the trivial row's."""
        return sum(bool(unit.record and unit.record.below_trivial) for unit in self.units if unit.state == "done")


@dataclass(frozen=True)
class Board:
    """The rows of a suite.

    Args:
        suite: name and version.
        better: value -> whether higher or lower is better, in the order of the columns.
        cases: titles, in the order of the outline, else of their first records.
        rows: oracle first, then methods in the order of their first records, trivial last.
        outline: of the suite, which may have more cases; None: the results are without one.
    """

    suite: str
    better: Mapping[str, Direction]
    cases: tuple[str, ...]
    rows: tuple[BoardRow, ...]
    outline: Outline | None = None

    @property
    def methods(self) -> list[BoardRow]:
        """The rows that are ranked."""
        return [row for row in self.rows if row.kind == "method"]


def read_board(folder: Path, trusted: Mapping[str, int] | None = None, every: bool = False) -> Board:
    """The board of all records below a folder, `results/<suite>@<version>`.

    Args:
        folder: of one suite.
        trusted: digest of a record -> the trust that verification gave it; others have 0.
        every: also older configurations of a method; otherwise the newest of each.

    Raises:
        ConfigError: there are no records, they are of several suites, or a record is broken.
    """
    paths = find_records(folder)
    if not paths:
        raise ConfigError(f"there are no records in {display_path(folder)}", hint="make some: maquette bench run SUITE")
    return make_board([(read_record(path), path) for path in paths], trusted or {}, every, read_outline(folder))


def make_board(
    records: Sequence[tuple[Record, Path]], trusted: Mapping[str, int], every: bool = False,
    outline: Outline | None = None,
) -> Board:  # fmt: skip
    """The board of records, each with its file; see `read_board`."""
    suites = sorted({record.suite for record, _ in records})
    if len(suites) > 1:
        raise ConfigError(f"records of several suites have no common board: {', '.join(suites)}")
    written = [(record, time_of(record, path)) for record, path in records]
    groups = group_records(written, every)
    measured = {name for record, _ in records for name in record.values}
    better = {name: way for record, _ in written for name, way in record.better.items() if name in measured}
    recorded = [record.case for record, _ in sorted(written, key=lambda pair: pair[1])]
    of_suite = [case for case in outline.cases if case in recorded] if outline else []
    cases = tuple(dict.fromkeys([*of_suite, *recorded]))
    oracle, trivial = cases_of(ORACLE, groups), cases_of(TRIVIAL, groups)
    floors = {case: floor_values(trivial.get(case, {}), oracle.get(case, {}), better) for case in cases}
    bounded = bounded_values(oracle, trivial, better)
    columns = {name: _by_value(group, cases, floors, better) for name, group in groups.items()}
    methods = [name for name, group in groups.items() if group.name not in (ORACLE, TRIVIAL)]
    ranks = {value: _ranks({name: columns[name][value] for name in methods}, better[value]) for value in bounded}
    true = next((columns[name] for name, group in groups.items() if group.name == ORACLE), {})
    folders = {id(record): path.parent for record, path in records}
    rows = {
        name: _row(name, group, columns[name], cases, {value: ranks[value].get(name) for value in bounded}, floors,
                   true, bounded, better, folders, trusted)
        for name, group in groups.items()
    }  # fmt: skip
    order: tuple[RowKind, ...] = ("oracle", "method", "trivial")
    ordered = tuple(row for kind in order for row in rows.values() if row.kind == kind)
    return Board(suites[0], better, cases, ordered, outline)


def _by_value(
    group: Group, cases: Sequence[str], floors: Mapping[str, Mapping[str, float]], better: Mapping[str, Direction]
) -> dict[str, np.ndarray]:
    """Value -> [N], the means over the seeds of each case, failures filled; NaN where neither has a value."""
    seeds = sorted({record.seed for record in group.records})
    by_seed = []
    for seed in seeds:
        done = [record for record in group.records if record.status == "done" and record.seed == seed]
        values = {record.case: record.values for record in done}
        by_seed.append({case: {**floor, **values.get(case, {})} for case, floor in floors.items()})
    return {
        value: np.array([
            np.mean([values.get(case, {}).get(value, np.nan) for values in by_seed]) for case in cases
        ])
        for value in better
    }  # fmt: skip


def _ranks(columns: Mapping[str, np.ndarray], better: Direction) -> dict[str, int | None]:
    """Rank of each method in one value: 1 and one more for each that is better beyond chance."""
    names = [name for name, column in columns.items() if not np.isnan(column).all()]
    wins = dict.fromkeys(names, 0)
    whole = [name for name in names if not np.isnan(columns[name]).any()]
    means = resampled_means(np.stack([columns[name] for name in whole])) if whole else np.zeros((1, 0))
    cases = max((len(columns[name]) for name in names), default=0)
    for i, one in enumerate(names):
        for other in names[:i]:
            if one in whole and other in whole:
                difference = means[:, whole.index(one)] - means[:, whole.index(other)]
                low, high = np.percentile(difference, [2.5, 97.5])
                sure, mean = cases >= LEAST_CASES and bool(low > 0 or high < 0), float(low + high)
            else:
                facts = _common_difference(columns[one], columns[other])
                sure, mean = beyond_chance(facts), float(facts.get("mean", 0.0))
            if sure:
                wins[other if (mean > 0) == (better == "higher") else one] += 1
    return {name: wins[name] + 1 if cases >= LEAST_CASES else None for name in names}


def _common_difference(one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """The paired difference over the cases in which both have a value; empty if there are none."""
    both = ~(np.isnan(one) | np.isnan(other))
    return paired_difference(one[both].tolist(), other[both].tolist()) if both.any() else {}


def _row(
    name: str, group: Group, columns: Mapping[str, np.ndarray], cases: Sequence[str],
    ranks: Mapping[str, int | None], floors: Mapping[str, Mapping[str, float]], oracle: Mapping[str, np.ndarray],
    bounded: Sequence[str], better: Mapping[str, Direction], folders: Mapping[int, Path], trusted: Mapping[str, int],
) -> BoardRow:  # fmt: skip
    kind: RowKind = "method" if group.name not in (ORACLE, TRIVIAL) else "oracle" if group.name == ORACLE else "trivial"
    units = _units(group, cases, folders)
    done = [unit.record for unit in units if unit.state == "done" and unit.record is not None]
    scores = {}
    for value, column in columns.items():
        present = column[~np.isnan(column)]
        if len(present):
            low, high = np.percentile(resampled_means(present[None])[:, 0], [2.5, 97.5])
            filled = sum(
                unit.state != "done" or unit.record is None or value not in unit.record.values for unit in units
            )
            scores[value] = Score(float(present.mean()), float(low), float(high), ranks.get(value), filled)
    surpassing = [
        value
        for value in bounded
        if kind == "method" and value in oracle and _surpasses(columns[value], oracle[value], better[value])
    ]
    records = group.records
    return BoardRow(
        name, kind, group.config, scores, units, mean_costs(done), _hardware(records), _plugins(records),
        min((trusted.get(record.digest, 0) for record in records), default=0), tuple(surpassing),
    )  # fmt: skip


def _surpasses(column: np.ndarray, oracle: np.ndarray, better: Direction) -> bool:
    facts = _common_difference(column, oracle)
    return beyond_chance(facts) and is_better(facts, better)


def _units(group: Group, cases: Sequence[str], folders: Mapping[int, Path]) -> tuple[BoardUnit, ...]:
    """The units of all cases with each of the method's seeds; a record of success counts more than one of failure."""
    records: dict[tuple[str, int], Record] = {}
    for record in sorted(group.records, key=lambda record: record.status != "failed"):
        records[record.case, record.seed] = record
    seeds = sorted({record.seed for record in group.records})
    return tuple(
        BoardUnit(case, seed, one.status, one, folders[id(one)])
        if (one := records.get((case, seed))) is not None
        else BoardUnit(case, seed, "missing")
        for case in cases
        for seed in seeds
    )


def _hardware(records: Sequence[Record]) -> tuple[str, ...]:
    """The card, or the processor and threads, of each record's machine, or what the account of a scored system says."""
    machines = []
    for record in records:
        machine = record.manifest.get("machine")
        machine = machine if isinstance(machine, dict) else {}
        threads = f", {machine['threads']} threads" if machine.get("threads") else ""
        processor = f"{machine.get('processor')}{threads}" if machine.get("processor") else ""
        machines.append(str(machine.get("gpu") or processor or record.manifest.get("hardware") or ""))
    return tuple(dict.fromkeys(name for name in machines if name))


def _plugins(records: Sequence[Record]) -> tuple[str, ...]:
    """The distributions that the parts of the methods are of."""
    distributions = [record.manifest.get("distributions") for record in records]
    return tuple(dict.fromkeys(name for one in distributions if isinstance(one, dict) for name in sorted(one)))

"""Running a suite: units that have no record are run, measured and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from maquette.bench.baselines import Bounds, baseline_records
from maquette.bench.measuring import VIEWS_FILE, SuiteMetrics, any_error_as_ours, costs_of, manifest_of, write_views
from maquette.bench.outlines import OUTLINE_FOLDER, keep_outline
from maquette.bench.records import (
    FAILURE_FILE,
    LOCK_FOLDER,
    ORACLE,
    RECORD_FILE,
    TRIVIAL,
    Attempt,
    Record,
    read_record,
    write_failure,
    write_record,
)
from maquette.bench.subjects import MESH_FILE, export_prediction, read_subject
from maquette.bench.suites import Suite, SuiteLimits, check_bars
from maquette.bench.units import Unit, suite_units
from maquette.errors import ConfigError, MaquetteError
from maquette.files import atomic_path, display_path, file_hash, sole_writer
from maquette.metrics.base import MeasuredSubject
from maquette.runs.failures import Failure, Limits
from maquette.runs.jobs import ExecutorName, Outcome, run_jobs, spent_seconds
from maquette.runs.progress import Progress
from maquette.runs.storage import Storage
from maquette.runs.view_sheets import sheet_views
from maquette.stages.finished import finished_scene

SHARED = (ORACLE, TRIVIAL, LOCK_FOLDER, OUTLINE_FOLDER)  # of a suite's results, beside those of its methods
FINAL = ("nonfinite", "time")  # failures that are not tried again: the same numbers would come out, or it took longer


@dataclass(frozen=True)
class UnitRow:
    """A unit that ended.

    Args:
        job: the unit.
        record: its record, of success or failure.
        repeated: its run was finished before.
        folder: where the record is.
    """

    job: Unit
    record: Record
    repeated: bool
    folder: Path

    @property
    def error(self) -> str:
        """Why it failed or is refused; empty if neither."""
        return self.record.error

    @property
    def seconds(self) -> float | None:
        """Wall time of its run, if it is known."""
        return self.record.costs.get("seconds")


@dataclass(frozen=True)
class SuiteRun:
    """All units of a suite, in its order.

    Args:
        suite: what was run.
        rows: of the units.
        results: folder of all results.
    """

    suite: Suite
    rows: tuple[UnitRow, ...]
    results: Path

    @property
    def failed(self) -> list[UnitRow]:
        """Units without values that count."""
        return [row for row in self.rows if row.error]


def run_suite(
    suite: Suite,
    root: Path,
    results: Path,
    processes: int = 1,
    overrides: Sequence[str] = (),
    executor: ExecutorName = "process",
    on_result: Callable[[Progress], None] = lambda progress: None,
    methods: Sequence[str] = (),
    limit: int | None = None,
    address: str = "",
    parts: Sequence[Path] = (),
    storage: Storage | None = None,
) -> SuiteRun:
    """Run the units of a suite that have no record, measure them, and record them.

    A unit is recorded under its fingerprint: the configuration, inputs, weights and versions of the parts. Where one
    differs, it is another unit. A stopped run goes on, in the time that is left of the suite's limit; a failed one is
    tried again, except one whose numbers were not finite or that took too long.

    Args:
        suite: what to run.
        root: folder of the runs.
        results: folder of all results; records stand in `<results>/<suite>@<version>/...`.
        processes: number of parallel runs.
        overrides: further key=value words for every run.
        executor: how the runs are made.
        on_result: called before the first run and after each.
        methods: names of columns; none: all.
        limit: number of cases, the first ones; None: all.
        address: of the Ray cluster, if the executor is ray; "": that of RAY_ADDRESS, or one of its own.
        parts: files and folders of local parts, for every run.
        storage: keeps runs and results, too, for machines that share no disk; None: this disk alone does.

    Raises:
        ConfigError: a method, a metric or a bar is invalid, a metric has no oracle, or the records are of a suite that
            differs and has the same version.
        RunError: another process is running the suite in this folder.
        KeyboardInterrupt: by Ctrl-C, after all runs have saved a checkpoint; says how many units are recorded.
    """
    units = suite_units(suite, root, overrides, methods, limit, parts)
    return run_units(suite, units, root, results, processes, executor, on_result, address, storage)


def run_units(
    suite: Suite,
    units: Sequence[Unit],
    root: Path,
    results: Path,
    processes: int = 1,
    executor: ExecutorName = "process",
    on_result: Callable[[Progress], None] = lambda progress: None,
    address: str = "",
    storage: Storage | None = None,
) -> SuiteRun:
    """Run some units of a suite; see `run_suite`."""
    metrics = SuiteMetrics.build(suite)  # fails before hours of runs, not after
    check_bars(suite.bars, metrics.directions)
    root.mkdir(parents=True, exist_ok=True)
    progress, limits = Progress(units), _limits(suite.limits)
    shared = [results / suite.title / name for name in SHARED]
    if storage is not None:
        for folder in (*shared, *(results / unit.place for unit in units)):
            storage.pull(folder)
    before = {unit: row for unit in units if (row := _earlier(unit, suite, results)) is not None}
    _push(storage, [row.folder for row in before.values()])
    with sole_writer(root, "suite"):
        keep_outline(suite, results)
        bounds = baseline_records(suite, metrics, results, {unit.case.title for unit in units})
        on_result(progress)
        progress.rows.extend(before.values())
        waiting = [unit for unit in units if unit not in before]
        try:
            with closing(run_jobs(waiting, processes, limits, executor, address, storage)) as outcomes:
                for row in _measured(outcomes, suite, metrics, bounds, results, alone=executor == "process"):
                    _push(storage, [row.folder, *shared])
                    progress.rows.append(row)
                    on_result(progress)
        except KeyboardInterrupt as problem:
            recorded = sum(row.record.status != "failed" for row in progress.rows)
            problem.args = (f"interrupted; {recorded} of {len(units)} units are recorded; go on with the same command",)
            raise
    rows = {row.job: row for row in progress.rows}
    return SuiteRun(suite, tuple(rows[unit] for unit in units), results)


def _push(storage: Storage | None, folders: Sequence[Path]) -> None:
    if storage is not None:
        for folder in folders:
            storage.push(folder)


def _limits(limits: SuiteLimits) -> Limits:
    return Limits(None if limits.minutes is None else 60 * limits.minutes, limits.lost)


def _earlier(unit: Unit, suite: Suite, results: Path) -> UnitRow | None:
    """The row of a unit that is done, or that failed for good."""
    folder = results / unit.place
    for name in (RECORD_FILE, FAILURE_FILE):
        if (folder / name).is_file():
            record = read_record(folder / name)
            if record.suite_digest != suite.digest:
                raise ConfigError(
                    f"the records in {display_path(folder)} are of another {suite.title}: cases, metrics, protocol, "
                    "baselines or limits differ", key="version", hint="raise its version, or give other --results",
                )  # fmt: skip
            if name == RECORD_FILE or record.kind in FINAL:
                return UnitRow(unit, record, True, folder)
    return None


def _measured(
    outcomes: Iterator[Outcome[Unit]], suite: Suite, metrics: SuiteMetrics, bounds: dict[str, Bounds], results: Path,
    alone: bool,
) -> Iterator[UnitRow]:  # fmt: skip
    for outcome in outcomes:
        folder = results / outcome.job.place
        record = _record(outcome, suite, metrics, bounds[outcome.job.case.title], results, alone).sealed()
        if record.status == "failed":
            write_failure(record, folder)
        else:
            write_record(record, folder)
            (folder / FAILURE_FILE).unlink(missing_ok=True)
        yield UnitRow(outcome.job, record, outcome.repeated, folder)


def _record(
    outcome: Outcome[Unit], suite: Suite, metrics: SuiteMetrics, bounds: Bounds, results: Path, alone: bool
) -> Record:  # fmt: skip
    unit, run = outcome.job, outcome.run
    attempts = [Attempt(failure.kind, failure.message) for failure in outcome.failures]
    begun = Record(
        suite.title, suite.digest, unit.column, unit.config_hash, unit.case.title, unit.seed, "run", "failed",
        better=metrics.directions, attempts=attempts, shrunk=outcome.shrunk,
    )  # fmt: skip
    if outcome.error or run is None:
        return replace(begun, error=outcome.error or "there is no run", kind=outcome.kind or "other")
    costs, folder = costs_of(run, alone), results / unit.place
    manifest = manifest_of(unit, run, results)
    if outcome.shrunk:
        manifest["smaller"] = suite.columns[unit.column].smaller
    if excess := over_limits({**costs, "seconds": spent_seconds(run)}, suite.limits):
        return replace(begun, error=excess.message, kind=excess.kind, costs=costs, manifest=manifest)
    try:
        with any_error_as_ours(str(unit.place)), TemporaryDirectory() as place:
            scene = finished_scene(run)
            subject: MeasuredSubject = scene
            files: list[Path] = []
            if suite.protocol.subject == "export":
                files = [export_prediction(scene, suite.protocol, Path(place))]
                subject = read_subject(files[0], suite.protocol, unit.case, ours=True)
            measured = metrics.measure(subject, unit.case)
            write_views(sheet_views(subject, suite.sheet_views), folder / VIEWS_FILE)
            for file in files:
                with atomic_path(folder / MESH_FILE) as copy:
                    copy.write_bytes(file.read_bytes())
    except MaquetteError as problem:
        return replace(begun, error=str(problem), kind="other", costs=costs, manifest=manifest)
    predictions = {name: file_hash(folder / name) for name in (MESH_FILE, VIEWS_FILE) if (folder / name).is_file()}
    done = replace(
        begun, status="done", values=measured.values, facts=measured.facts, costs=costs, manifest=manifest,
        predictions=predictions,
    )  # fmt: skip
    return judged(done, bounds)


def judged(record: Record, bounds: Bounds) -> Record:
    """A record beside the baselines: refused where a value surpasses the oracle's, marked where one is below."""
    above = bounds.above_oracle(record.values, record.better)
    below = bounds.below_trivial(record.values, record.better)
    if not above:
        return replace(record, below_trivial=below)
    name = above[0]
    error = f"{name} is {record.values[name]:g}, and the true object has {bounds.oracle[name]:g}: refused"
    return replace(record, status="refused", error=error, above_oracle=above, below_trivial=below)


def over_limits(costs: dict[str, float], limits: SuiteLimits) -> Failure | None:
    """What a run took beyond the limits of its suite; None: nothing."""
    if limits.minutes is not None and costs.get("seconds", 0.0) > 60 * limits.minutes:
        return Failure("time", f"it took {costs['seconds']:.0f} s, and the suite allows {60 * limits.minutes:.0f} s")
    most = max(costs.get("peak_memory_mb", 0.0), costs.get("peak_gpu_memory_mb", 0.0))
    if limits.memory_gb is not None and most > 1024 * limits.memory_gb:
        return Failure("memory", f"it took {most:.0f} MB, and the suite allows {1024 * limits.memory_gb:.0f} MB")
    return None

"""The commands `maquette bench run` and `maquette bench table`: suites, and what they gave."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from maquette.cli import completion
from maquette.cli.arguments import Parts
from maquette.cli.errors import exit_with_errors
from maquette.cli.progress import live_table
from maquette.files import display_path

if TYPE_CHECKING:
    from maquette.bench.records import Record
    from maquette.bench.running import SuiteRun
    from maquette.bench.tables import Table

RESULTS = Path("outputs") / "results"

bench_app = typer.Typer(help="Run suites and print their tables.", no_args_is_help=True)

SuiteName = Annotated[
    str,
    typer.Argument(help="a suite's name (see `maquette list suites`) or YAML file", autocompletion=completion.suites),
]
ResultsFolder = Annotated[Path, typer.Option("--results", help="folder of all results")]


@bench_app.command("run")
@exit_with_errors
def run(
    suite: SuiteName,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value words that override the config of every run")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="the first cases alone")] = None,
    methods: Annotated[str, typer.Option("--methods", help="some of the methods, with commas between [all]")] = "",
    executor: Annotated[
        Literal["process", "inline", "ray"],
        typer.Option("--executor", help="a process for each run; all in this one, one after the other; a Ray cluster"),
    ] = "process",
    address: Annotated[str, typer.Option("--address", help="of the Ray cluster [RAY_ADDRESS, or one made here]")] = "",
    storage: Annotated[
        str,
        typer.Option("--storage", help="URL of object storage that keeps runs and results, too, e.g. s3://bucket/x"),
    ] = "",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="runs at a time")] = 1,
    results: ResultsFolder = RESULTS,
    runs: Annotated[Path | None, typer.Option("--runs", help="folder for the runs [outputs/bench/SUITE]")] = None,
    parts: Parts = None,
) -> None:
    """Run a suite, measure and record the results, and print their table; what is recorded is not run again.

    maquette bench run my-suite.yaml --jobs 2

    maquette bench run my-suite.yaml --limit 2 --methods dreamfusion

    maquette bench run my-suite.yaml --parts my_loss.py

    A stopped suite goes on with the same command, and what failed is tried again. The exit code is 1 if a run failed, a
    result was refused, or a bar was missed.
    """
    from maquette.bench.running import run_suite
    from maquette.bench.sheets import write_suite_sheet
    from maquette.bench.suites import load_suite
    from maquette.errors import ConfigError
    from maquette.runs.storage import Storage

    if executor == "inline" and jobs > 1:
        raise ConfigError("the executor inline runs one at a time", key="jobs", hint="leave out --jobs or --executor")
    if address and executor != "ray":
        raise ConfigError("only a Ray cluster has an address", key="address", hint="give --executor ray, too")
    chosen = load_suite(suite, parts or [])
    names = [name.strip() for name in methods.split(",") if name.strip()]
    root = runs or Path("outputs") / "bench" / chosen.name
    cases, columns = chosen.cases[:limit], [name for name in chosen.columns if not names or name in names]
    units = len(cases) * sum(len(chosen.seeds_of(name)) for name in columns)
    typer.echo(f"suite {chosen.title}: {units} runs in {display_path(root)}", err=True)
    with live_table(units) as show:
        done = run_suite(
            chosen,
            root,
            results,
            jobs,
            overrides or [],
            executor,
            show,
            names,
            limit,
            address,
            parts or [],
            Storage(storage) if storage else None,
        )
    _print(done, {case.title for case in cases})
    sheet = write_suite_sheet(done)
    typer.echo(f"results: {display_path(results / chosen.title)}{f', sheet: {display_path(sheet)}' if sheet else ''}")
    missed = _print_bars(done, columns)
    if done.failed or missed:
        raise typer.Exit(1)


@bench_app.command("table")
@exit_with_errors
def table(
    suite: SuiteName,
    form: Annotated[Literal["md", "csv", "latex"], typer.Option("--format", help="of the table")] = "md",
    against: Annotated[
        str, typer.Option("--against", help="method that the others are compared with, case by case [the first]")
    ] = "",
    every: Annotated[
        bool, typer.Option("--every", help="also older configurations of a method; else the newest of each")
    ] = False,
    results: ResultsFolder = RESULTS,
    out: Annotated[Path | None, typer.Option("--out", help="file to write; else it is printed")] = None,
    parts: Parts = None,
) -> None:
    """Print the table of a suite's results: means with 95 % intervals, paired differences, seeds, time, memory.

    maquette bench table my-suite.yaml --format latex --against dreamfusion

    In brackets stand the differences to the method compared with. They have a star where the
    interval over five cases or more excludes 0.
    """
    from maquette.bench.suites import load_suite
    from maquette.bench.table_formats import format_table
    from maquette.bench.tables import read_table
    from maquette.cli.outcome import write_output

    text = format_table(read_table(results / load_suite(suite, parts or []).title, against, every), form)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_output(out, text)


def _print(done: SuiteRun, cases: set[str]) -> None:
    """The table of what was run, failures and refusals, and marks."""
    folder = done.results / done.suite.title
    print_records([row.record for row in done.rows], folder, cases)
    for row in done.failed:
        typer.secho(f"FAILED: {row.job.label}: {row.error} (log: {display_path(row.job.log)})", fg="red", err=True)
    if len(cases) < len(done.suite.cases):
        typer.echo("PARTIAL: some of the suite's cases alone")
    if any(row.record.manifest.get("dirty") for row in done.rows):
        typer.echo("MARKED: the code has uncommitted changes, so nobody else can repeat these results")


def print_records(records: Sequence[Record], folder: Path, cases: set[str]) -> None:
    """Print the table of some records beside the baselines of their cases, which stand in the suite's folder."""
    from maquette.bench.records import ORACLE, TRIVIAL, find_records, read_record
    from maquette.bench.tables import make_table

    baselines = [path for path in find_records(folder) if {ORACLE, TRIVIAL} & set(path.parts)]
    pairs = [(read_record(path), path.stat().st_mtime) for path in baselines]
    pairs = [pair for pair in pairs if pair[0].source == "baseline" and pair[0].case in cases]
    print_table(make_table([*((record, float(i)) for i, record in enumerate(records)), *pairs]))


def print_table(table: Table) -> None:
    """Print a table of a suite with a line for each value, and a column for each method."""
    from rich.console import Console
    from rich.table import Table as Grid

    from maquette.bench.table_formats import cells

    titles, rows = cells(table)
    grid = Grid(box=None, pad_edge=False)
    grid.add_column("", overflow="fold")
    for row in rows:
        grid.add_column(row[0], overflow="fold")
    for index, title in enumerate(titles[1:], start=1):
        grid.add_row(title, *(row[index] for row in rows))
    Console().print(grid, markup=False)


def _print_bars(done: SuiteRun, columns: Sequence[str]) -> bool:
    """Print whether each method reaches the suite's bars; returns whether one was missed."""
    from maquette.bench.tables import bar_results

    missed = False
    for method, name, result in bar_results(done.suite, [row.record for row in done.rows]):
        if method not in columns:
            continue
        limits = ", ".join(f"{limit.replace('_', ' ')} {number:g}" for limit, number in result["bar"].items())
        verdict = "passed" if result["passed"] else "FAILED"
        typer.echo(f"{method}: {name} {result['mean']:.3f}, bar {limits}: {verdict}")
        missed = missed or not result["passed"]
    return missed

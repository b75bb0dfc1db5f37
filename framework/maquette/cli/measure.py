"""The command `maquette measure`: a run is measured anew, without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from maquette.cli.arguments import AllowedOfRun, PartsOfRun, RunName
from maquette.files import allowing, display_path


def measure(
    run: RunName,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="METRIC.key=value words, and truth={type: files, surface: mug.glb} or labels={category: mug}"
        ),
    ] = None,
    suite: Annotated[str, typer.Option("--suite", help="a suite whose metrics and case are taken")] = "",
    metrics: Annotated[
        str, typer.Option("--metrics", help="metrics, with commas between [those that need nothing else]")
    ] = "",
    allow: AllowedOfRun = None,
    parts: PartsOfRun = None,
) -> None:
    """Measure a finished or stopped run anew from its newest checkpoint, without training.

    maquette measure last

    maquette measure last --suite my-suite.yaml

    maquette measure last --metrics surface-distance truth="{type: files, surface: mug.glb}"

    What was measured is added to measures.json in the run, which `maquette compare` reads.
    """
    from maquette.errors import ConfigError
    from maquette.plugins.local import import_files, read_files
    from maquette.runs.folders import find_run
    from maquette.runs.measuring import case_of, chosen_metrics, measure_run

    if suite and metrics:
        raise ConfigError("a suite brings its own metrics", key="metrics", hint="give --suite or --metrics, not both")
    with allowing(allow or []):
        folder = find_run(run)
        case, rest = case_of(folder, words or [], parts or [])
        if parts:  # a metric may be among them
            import_files(read_files(parts))
        if suite:
            if any((word.partition("=")[0]) in ("truth", "labels") for word in words or []):
                raise ConfigError("a suite brings its cases' truth and labels", hint="leave out truth= and labels=")
            chosen, case = _of_suite(suite, case.title, rest)
        else:
            chosen = chosen_metrics([name.strip() for name in metrics.split(",") if name.strip()], rest)
        measures = measure_run(folder, chosen, case, suite, parts or [])
    _print(measures.metrics)
    step = f", step {measures.step}" if measures.step else ""
    typer.echo(f"measured: {display_path(measures.file)} (stage {measures.stage}{step})")


def _of_suite(name: str, title: str, words: list[str]) -> tuple[dict[str, Any], Any]:
    from maquette.bench import suites
    from maquette.config.parts import MetricSpec, plain
    from maquette.runs.part_words import configure_parts

    suite = suites.load_suite(name)
    return configure_parts(MetricSpec, plain(suite.metrics), words), suites.case_of(suite, title)


def _print(metrics: Mapping[str, Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("metric", "value", "better"):
        table.add_column(column, justify="right" if column == "value" else "left")
    for name, one in metrics.items():
        for key, value in one["values"].items():
            table.add_row(f"{name}/{key}", f"{value:.4g}", one["better"].get(key, ""))
    Console().print(table, markup=False)

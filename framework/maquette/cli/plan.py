"""The command `maquette plan`, and what `maquette run --dry-run` prints."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maquette.cli import completion

if TYPE_CHECKING:
    from maquette.config.loading import ResolvedConfig


def plan(
    method: Annotated[str, typer.Argument(help="a method's name or YAML file", autocompletion=completion.methods)],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="key=value words, as of `maquette run`", autocompletion=completion.overrides),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON with stable keys")] = False,
) -> None:
    """Print what a run will take: stages, parameters, weights, downloads, memory and time. Loads and downloads nothing.

    maquette plan dreamfusion prior=sd15
    """
    from maquette.config.stand_ins import load_with_stand_ins
    from maquette.planning import plan_method

    with tempfile.TemporaryDirectory() as folder:
        facts = plan_method(load_with_stand_ins(method, overrides or [], Path(folder))).to_plain()
    if as_json:
        typer.echo(json.dumps(facts, indent=1, ensure_ascii=False, default=str))
    else:
        _print_plan(facts)


def dry_run(resolved: ResolvedConfig) -> None:
    """Try a run and print what it takes."""
    from maquette.planning import try_method

    facts = try_method(resolved).to_plain()
    rows = []
    for stage in facts["stages"]:
        if stage["problem"]:
            rows.append([stage["name"], stage["type"], "", "", "", f"not tried: {stage['problem']}"])
            continue
        step, memory = f"{stage['step_seconds']:.3g} s", f"{stage['peak_memory_mb']:,.0f} MB"
        rows.append([stage["name"], stage["type"], str(stage["steps"]), step, duration(stage["seconds"]), memory])
    _table(["stage", "type", "steps", "a step", "the stage", "peak memory"], rows)
    for device, peaks in facts["peak_gpu_memory_mb"].items():
        typer.echo(f"{device}: {peaks['reserved']:,.0f} MB")
    typer.echo(f"in all, without what was not tried: about {duration(facts['seconds'])}")
    typer.echo("nothing was kept; without --dry-run the run begins")


def _print_plan(facts: dict[str, Any]) -> None:
    rows = []
    for stage in facts["stages"]:
        trained = [f"{part} {_count(count)}" for part, count in stage["trained"].items() if count != 0]
        parts = ", ".join(dict.fromkeys(part for part in stage["parts"].values() if not part.startswith("loss/")))
        time = duration(stage["seconds"]) if stage["seconds"] is not None else "unknown"
        rows.append([stage["name"], stage["type"], str(stage["steps"] or ""), parts, ", ".join(trained), time])
    _table(["stage", "type", "steps", "parts", "trained parameters", "time"], rows)
    rows = [
        [
            use["path"],
            use["place"],
            _count(use["parameters"]),
            "unknown" if use["size_mb"] is None else f"{use['size_mb']:g} MB",
        ]
        for use in facts["weights"]
    ]
    if rows:
        typer.echo()
        _table(["weights", "where", "parameters", "size"], rows)
    missing = [use["path"] for use in facts["weights"] if use["place"] == "hub"]
    typer.echo(f"\nto download: {', '.join(missing) + ' (sizes unknown here)' if missing else 'nothing'}")
    for part, words in facts["needs"].items():
        typer.echo(f"{part} {words}" + (f"; missing: {facts['missing'][part]}" if part in facts["missing"] else ""))
    peak = facts["peak_memory_mb"]
    typer.echo(
        f"memory: parameters and optimiser at least {facts['least_memory_mb']:g} MB; "
        + (f"earlier runs took {peak:,.0f} MB" if peak else "what a run takes beside them is unknown")
    )
    seconds = facts["seconds"]
    bases = dict.fromkeys(stage["basis"] for stage in facts["stages"] if stage["basis"])
    typer.echo(f"time: {'about ' + duration(seconds) if seconds is not None else 'unknown'}")
    for basis in bases:
        typer.echo(f"  measured: {basis}")
    if seconds is None:
        typer.echo("  `maquette run --dry-run` measures a step of each stage")


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def duration(seconds: float) -> str:
    """Seconds for people.

    Example:
        >>> duration(3.2), duration(130), duration(7300)
        ('3.2 s', '2 min 10 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _table(columns: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table, markup=False)

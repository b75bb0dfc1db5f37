"""The commands `maquette plugin check` and `maquette plugin new`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def plugin_check(
    plugin: Annotated[str, typer.Argument(help="an installed plugin's name, or a folder or file with parts")],
    timeout: Annotated[float, typer.Option(min=1, help="seconds that one check may take")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON with stable keys")] = False,
) -> None:
    """Check the parts of a plugin, in a process of its own: shapes, gradients, determinism, messages and more.

    maquette plugin check maquette-my-loss

    maquette plugin check ./my-loss

    maquette plugin check my_loss.py
    """
    from maquette.testing.processes import check_apart
    from maquette.testing.targets import find_targets

    reports = check_apart(find_targets(plugin), timeout)
    if as_json:
        _print_json(reports)
    else:
        for report in reports:
            typer.echo(str(report))
        bad = [f"{report.kind} {report.name}" for report in reports if not report.passed]
        typer.echo(f"{len(reports) - len(bad)} of {len(reports)} parts conform")
        for name in bad:
            typer.secho(f"does not conform: {name}", fg="red")
    raise typer.Exit(0 if all(report.passed for report in reports) else 1)


def _print_json(reports: Any) -> None:
    import json
    from dataclasses import asdict

    rows = [{**asdict(report), "passed": report.passed, "failures": report.failures} for report in reports]
    typer.echo(json.dumps(rows, indent=1))


def plugin_new(
    name: Annotated[str, typer.Argument(help="name of the package, such as my-loss")],
    kind: Annotated[str, typer.Option(help="kind of its part; `maquette list` has them")],
    part: Annotated[str, typer.Option(help="name of the part [that of the package]")] = "",
    folder: Annotated[Path, typer.Option(help="folder in which the package's folder is made")] = Path(),
) -> None:
    """Write a package with one part that works: manifest, class, example, tests, CI.

    maquette plugin new my-loss --kind loss

    maquette plugin new acme-losses --kind loss --part brightness
    """
    from maquette.testing.scaffold import write_package

    package = write_package(name, kind, folder, part)
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        typer.echo(path)
    typer.echo(f"\nnext: pip install -e {package}[test] && pytest {package}")


COMMANDS: dict[str, Callable[..., None]] = {"check": plugin_check, "new": plugin_new}
"""Name -> command of `maquette plugin`, besides `list`."""

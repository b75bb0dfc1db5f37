"""The commands `maquette plugin`: what is installed, checks of parts, and a package to begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def plugin_list() -> None:
    """Installed plugins with their parts, and those that were skipped with the reason."""
    from maquette import plugins

    for plugin in plugins.installed():
        if plugin.failure or plugin.manifest is None:
            typer.secho(f"{plugin.name}  ({plugin.title}) skipped: {plugin.failure}", fg="yellow")
            continue
        terms = f", {plugin.manifest.license}" if plugin.manifest.license else ""
        typer.echo(f"{plugin.name}  ({plugin.title}{terms})")
        kinds: dict[str, list[str]] = {}
        for part in plugin.manifest.parts:
            kinds.setdefault(part.kind, []).append(part.name)
        for kind, names in kinds.items():
            typer.echo(f"  {kind}: {', '.join(names)}")


def plugin_check(
    plugin: Annotated[str, typer.Argument(help="an installed plugin's name, or a folder or file with parts")],
    timeout: Annotated[float, typer.Option(min=1, help="seconds that one check may take")] = 120.0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON with stable keys")] = False,
) -> None:
    """Check the parts of a plugin, in a process of its own: shapes, gradients, determinism, messages and more.

    maquette plugin check maquette-nano

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
    name: Annotated[str, typer.Argument(help="name of the package and of its part, such as my-loss")],
    kind: Annotated[str, typer.Option(help="kind of its part; `maquette list` has them")],
    folder: Annotated[Path, typer.Option(help="folder in which the package's folder is made")] = Path(),
) -> None:
    """Write a package with one part that works: manifest, class, example, tests, CI.

    maquette plugin new my-loss --kind loss
    """
    from maquette.testing.scaffold import write_package

    package = write_package(name, kind, folder)
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        typer.echo(path)
    typer.echo(f"\nnext: pip install -e {package}[test] && pytest {package}")


COMMANDS: dict[str, Callable[..., None]] = {"list": plugin_list, "check": plugin_check, "new": plugin_new}
"""Name -> command of `maquette plugin`."""

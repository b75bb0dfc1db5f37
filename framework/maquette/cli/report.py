"""The command `maquette report`: the page of a run is written anew."""

from __future__ import annotations

import typer

from maquette.cli.arguments import RunName
from maquette.files import display_path


def report(run: RunName) -> None:
    """Write the report of a run anew: report.html in its folder, of what is there now.

    maquette report last
    """
    from maquette.errors import RunError
    from maquette.report import write_report
    from maquette.runs.folders import find_run

    folder = find_run(run)
    try:
        page = write_report(folder.path)
    except OSError as problem:
        raise RunError(f"cannot write in {display_path(folder.path)}: {problem.strerror or problem}") from None
    typer.echo(f"report: {display_path(page)}")

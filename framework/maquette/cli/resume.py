"""The command `maquette resume`: a stopped run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maquette.cli.arguments import AllowedOfRun, RunName
from maquette.cli.outcome import print_outcome
from maquette.files import allowing


def resume(
    run: RunName,
    allow: AllowedOfRun = None,
    parts: Annotated[
        list[Path] | None,
        typer.Option(
            "--parts", help="Python files with the run's own parts, where it is another user's, or a file has changed"
        ),
    ] = None,
) -> None:
    """Go on with a stopped run or training, from its latest checkpoint.

    maquette resume last

    maquette resume outputs/dreamfusion/a-red-mug/20260101-120000

    The run keeps its configuration; what may be edited in its config.yaml, such as a larger number of steps, is
    carried out. A finished run is left as it is.
    """
    from maquette.pipeline import run_method
    from maquette.runs.folders import find_run
    from maquette.stages.finished import load_run

    folder = find_run(run)
    with allowing(allow or []):
        path = run_method(load_run(folder, parts or [], to_resume=True), folder.path)
    print_outcome(path)

"""The command `maquette export`: a run is exported anew, without training."""

from __future__ import annotations

from typing import Annotated

import typer

from maquette.cli.arguments import AllowedOfRun, PartsOfRun, RunName
from maquette.files import allowing, display_path


def export(
    run: RunName,
    words: Annotated[
        list[str] | None, typer.Argument(help="EXPORTER.key=value words over the run's own, e.g. mesh.resolution=256")
    ] = None,
    exporter: Annotated[
        list[str] | None,
        typer.Option("--exporter", help="an exporter, or a format such as obj, instead of the run's own; repeatable"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="replace files in the run's folder export, and write the report anew")
    ] = False,
    allow: AllowedOfRun = None,
    parts: PartsOfRun = None,
) -> None:
    """Export a finished or stopped run anew from its newest checkpoint, without training.

    maquette export last mesh.resolution=256 mesh.max_faces=100000

    maquette export last --exporter obj --exporter points points.count=200000

    The files go to a new folder in the run, export-1 and so on; the run's manifest records how they were made.
    """
    from maquette.runs.exporting import export_run
    from maquette.runs.folders import find_run

    names = [name for text in exporter or [] for name in text.split(",")]
    with allowing(allow or []):
        exported = export_run(find_run(run), words or [], names, overwrite, parts or [])
    step = f", step {exported.step}" if exported.step else ""
    typer.echo(f"exported: {display_path(exported.folder)} (stage {exported.stage}{step})")
    for file in exported.files:
        typer.echo(f"  {display_path(file)}")

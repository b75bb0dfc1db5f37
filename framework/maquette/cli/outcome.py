"""What the commands print of a run: where it is, what it made, and how to go on."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

from maquette.files import display_path


def print_outcome(run: Path) -> None:
    """Print the folder of a run that ended, its files, and the command that repeats it."""
    path = Path(display_path(run))
    typer.echo(f"\ndone: {path}")
    for product in sorted(p for p in [*(path / "export").glob("*.*"), path / "report.html"] if p.is_file()):
        typer.echo(f"  {product}")
    typer.echo(f"again: {shlex.join(['maquette', 'run', str(path / 'config.yaml')])}")

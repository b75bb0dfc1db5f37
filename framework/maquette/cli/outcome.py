"""What the commands print of a run, and of a file that `--out` names."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

from maquette.errors import ConfigError
from maquette.files import display_path, write_atomically


def print_outcome(run: Path) -> None:
    """Print the folder of a run that ended, its files, and the command that repeats it."""
    path = Path(display_path(run))
    typer.echo(f"\ndone: {path}")
    for product in sorted(p for p in [*(path / "export").glob("*.*"), path / "report.html"] if p.is_file()):
        typer.echo(f"  {product}")
    typer.echo(f"again: {shlex.join(['maquette', 'run', str(path / 'config.yaml')])}")


def write_output(out: Path, text: str) -> None:
    """Write what a command was asked for by `--out`, and say so.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, text)
    except OSError as problem:
        raise ConfigError(
            f"cannot write {out}: {problem.strerror or problem}", hint="give another file: --out FILE"
        ) from None
    typer.echo(f"written: {display_path(out)}")

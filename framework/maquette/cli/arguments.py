"""Arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maquette.cli import completion

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        help="key=value words that override the config, e.g. seed=1; ~key removes one, e.g. ~stages.export",
        autocompletion=completion.overrides,
    ),
]
Allowed = Annotated[
    list[Path] | None,
    typer.Option("--allow", help="a folder into which the paths of a plugin's file or another user's run may lead"),
]
Parts = Annotated[
    list[Path] | None,
    typer.Option("--parts", help="a Python file with parts of your own, or a folder of them; see docs/local-parts.md"),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="load what the run needs, take a step of each stage, and keep nothing")
]
Sweep = Annotated[bool, typer.Option("--sweep", help="commas separate values, e.g. seed=0,1: each combination is run")]
Prompts = Annotated[
    str, typer.Option("--prompts", help="a file with one prompt a line, or lib:NAME: each prompt is run")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="of a sweep: runs at a time")]
SweepName = Annotated[
    str, typer.Option("--name", help="of a sweep's folder in outputs/sweeps [made of method and keys]")
]
RunName = Annotated[str, typer.Argument(help="a run folder, or last: the newest run under outputs/")]
PartsOfRun = Annotated[
    list[Path] | None,
    typer.Option("--parts", help="Python files of the run's own parts, instead of those that it names: RUN/parts"),
]
AllowedOfRun = Annotated[
    list[Path] | None, typer.Option("--allow", help="a folder into which the paths of another user's run may lead")
]

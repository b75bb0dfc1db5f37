"""Arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunName = Annotated[str, typer.Argument(help="a run folder, or last: the newest run under outputs/")]
AllowedOfRun = Annotated[
    list[Path] | None, typer.Option("--allow", help="a folder into which the paths of another user's run may lead")
]

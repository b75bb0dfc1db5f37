"""The command `maquette schema`: the JSON schema of method files, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def schema(
    out: Annotated[Path | None, typer.Option("--out", help="file to write; else it is printed")] = None,
    record: Annotated[bool, typer.Option("--record", help="the schema of the records of suites instead")] = False,
) -> None:
    """Print the JSON schema of methods, recipes, laptop files and suites, with the parts of the installed plugins.

    maquette schema --out maquette.schema.json

    maquette schema --record --out result.schema.json
    """
    from maquette import plugins
    from maquette.bench.records import record_schema
    from maquette.bench.suites import Suite
    from maquette.cli.outcome import write_output
    from maquette.config.json_schema import method_schema
    from maquette.errors import ConfigError

    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"there is no folder {out.parent}", hint="give another file: --out FILE")
    plugins.load()
    text = json.dumps(record_schema() if record else method_schema(Suite), indent=1, ensure_ascii=False)
    if out is None:
        typer.echo(text)
        return
    write_output(out, f"{text}\n")
    if record:
        return
    typer.echo(f"at the top of a method: # yaml-language-server: $schema={out.resolve()}")

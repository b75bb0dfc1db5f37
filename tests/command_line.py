"""Runs of the command line, in this process."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from maquette.cli.app import app


def run_folder(*words: str) -> Path:
    """The folder of a run, which succeeds."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if line.startswith("run folder: "))
    return Path(line.removeprefix("run folder: "))


def logged(folder: Path) -> list[dict]:
    """The rows that a run logged."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]

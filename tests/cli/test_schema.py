"""`maquette schema`, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from maquette.cli.app import app


def test_the_command_writes_the_schema_and_says_how_a_file_names_it(tmp_path: Path):
    result = CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "s.json")])
    assert result.exit_code == 0 and f"# yaml-language-server: $schema={tmp_path / 's.json'}" in result.output
    assert json.loads((tmp_path / "s.json").read_text())["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_a_folder_that_is_not_there_is_named():
    result = CliRunner().invoke(app, ["schema", "--out", "no-such-folder/s.json"])
    assert result.exit_code == 2 and "there is no folder no-such-folder" in result.output

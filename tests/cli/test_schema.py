"""`maquette schema`, as a user types it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from maquette.cli.app import app


def test_the_command_writes_the_schema(tmp_path: Path):
    result = CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "s.json")])
    assert result.exit_code == 0 and "# yaml-language-server: $schema=" in result.output
    assert CliRunner().invoke(app, ["schema"]).output == (tmp_path / "s.json").read_text()
    assert "cannot write" in CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "no" / "s.json")]).output

"""docs/command-line.md shows what the commands print."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.testing import CliRunner

from maquette.cli.app import app
from project import page

SHOWN = re.findall(
    r"^    \$ maquette ((?:list|describe) [^\n]*)\n((?:    [^$\n][^\n]*\n|\n(?=    [^$]))*)", page("command-line"), re.M
)


def test_the_page_shows_lists_and_descriptions():
    assert len(SHOWN) >= 6 and all(lines.strip() for _, lines in SHOWN)


@pytest.mark.parametrize(("command", "lines"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_the_page_shows(command, lines):
    printed = CliRunner().invoke(app, shlex.split(command), env={"COLUMNS": "100"}).output
    lacking = [
        line for line in lines.splitlines() if line.strip() not in ("", "...") and line[4:].rstrip() not in printed
    ]
    assert not lacking

"""Arguments that several commands have read alike in their help."""

import pytest
from typer.testing import CliRunner

from maquette.cli.app import app


@pytest.mark.parametrize("command", ["resume", "export", "measure", "report"])
def test_a_command_on_a_run_takes_its_folder_or_the_word_last(command):
    words = " ".join(CliRunner().invoke(app, [command, "--help"]).output.replace("│", "").split())
    assert "a run folder, or last: the newest run under outputs/" in words
    assert ("a folder into which the paths of another user's run may lead" in words) == (command != "report")

"""What the library logs reaches whoever runs a command, and nobody who does not ask."""

from __future__ import annotations

import logging
import subprocess
import sys

from maquette.cli.messages import MessageHandler, show_messages
from maquette.errors import ConfigError


def test_messages_go_to_standard_output_and_warnings_to_standard_error(capsys):
    show_messages()
    logging.getLogger("maquette.pipeline").info("run folder: %s", "here")
    logging.getLogger("maquette.plugins").warning("plugin x is skipped")
    logging.getLogger("maquette.kernels").debug("chosen")
    shown = capsys.readouterr()
    assert shown.out == "run folder: here\n"
    assert shown.err == "warning: plugin x is skipped\n"


def test_debugging_shows_choices_too(capsys, monkeypatch):
    monkeypatch.setenv("MAQUETTE_DEBUG", "1")
    show_messages()
    logging.getLogger("maquette.kernels").debug("chosen")
    assert capsys.readouterr().out == "chosen\n"


def test_a_second_call_adds_no_second_line(capsys):
    show_messages()
    show_messages()
    logging.getLogger("maquette").info("once")
    assert capsys.readouterr().out == "once\n"


def test_importing_installs_no_handler():
    code = "import logging, maquette.pipeline; assert not logging.getLogger('maquette').handlers"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_message_that_cannot_be_formatted_stops_nothing(monkeypatch, capsys):
    handler = MessageHandler()
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler.emit(logging.LogRecord("maquette", logging.INFO, "", 0, "%d", ("text",), None))
    assert capsys.readouterr().out == ""


def test_an_error_about_a_long_value_is_one_short_line_with_its_hint():
    line = str(ConfigError("no number: " + "1\n" * 9000, key="seed", hint="give seed=1"))
    assert len(line) < 2100 and line.startswith("seed: no number: 1 1") and line.endswith("; give seed=1")

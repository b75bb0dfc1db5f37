"""A command ends in one line: with an error, an interruption, or the failure of a plugin's code."""

import importlib

import pytest
import typer

from fake_plugins import HALF, install
from maquette import plugins
from maquette.cli.errors import exit_with_errors
from maquette.errors import ConfigError


def ending(problem, capsys):
    def fail():
        raise problem

    with pytest.raises(typer.Exit) as ended:
        exit_with_errors(fail)()
    return ended.value.exit_code, capsys.readouterr().err


def test_an_error_is_one_line_with_its_code(capsys):
    assert ending(ConfigError("wrong", key="a"), capsys) == (2, "error: a: wrong\n")
    assert ending(KeyboardInterrupt(), capsys) == (130, "interrupted\n")


def test_the_failure_of_a_plugins_code_is_one_line_and_ours_a_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "acmefail", files={"half.py": HALF + "def fail(): 1 / 0\n"})
    plugins.reload()
    command = exit_with_errors(importlib.import_module("acmefail.half").fail)
    with pytest.raises(typer.Exit):
        command()
    line = capsys.readouterr().err
    assert line.startswith("error: score 'half' of plugin acmefail 1.0: ZeroDivisionError: division by zero (")
    assert line.count("\n") == 1 and line.endswith("; MAQUETTE_DEBUG=1 shows the traceback\n")
    monkeypatch.setenv("MAQUETTE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        command()
    monkeypatch.undo()
    plugins.reload()
    with pytest.raises(ZeroDivisionError):
        exit_with_errors(lambda: 1 / 0)()

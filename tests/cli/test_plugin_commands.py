"""Plugins add commands, which never take the place of maquette's own."""

import pytest
from typer.testing import CliRunner

from fake_plugins import HALF, MANIFEST, install, part
from maquette import plugins
from maquette.cli.app import app

MANIFEST_ = MANIFEST + 'register = "acmecli.plugin:register"\n' + part("score", "half", "acmecli.half:Half")
PLUGIN = """
import typer

tools = typer.Typer(help="Tools of acme.")

@tools.command()
def polish(times: int = 1):
    print("polished", times)

@tools.command()
def fail():
    1 / 0

def hello(name: str):
    "Greet."
    print("hello", name)

def register(hooks):
    hooks.command("acme", tools)
    hooks.command("hello", hello)
    hooks.command("list", hello)
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "acmecli", MANIFEST_, {"plugin.py": PLUGIN, "half.py": HALF})
    plugins.reload()
    yield
    monkeypatch.undo()
    plugins.reload()


def invoke(*words):
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.output


def test_a_typer_app_and_a_function_become_commands(acme):
    assert invoke("acme", "polish", "--times", "3") == (0, "polished 3\n")
    assert invoke("hello", "you") == (0, "hello you\n")
    assert all(words in invoke()[1] for words in ("Tools of acme", "Greet"))


def test_the_failure_of_a_command_names_the_plugin(acme):
    code, output = invoke("acme", "fail")
    assert code == 1 and output.startswith("error: plugin acmecli 1.0: ZeroDivisionError: division by zero (")
    assert output.count("\n") == 1


def test_a_command_with_a_name_of_maquettes_goes_by_its_distribution(acme):
    assert invoke("acmecli/list", "you") == (0, "hello you\n")
    assert "what it does" in invoke("list", "score")[1]


def test_an_unknown_command_and_a_wrong_variable_end_in_one_line(acme, monkeypatch):
    assert "No such command 'helo'" in invoke("helo")[1]
    monkeypatch.setenv("MAQUETTE_PLUGINS", "acme")
    monkeypatch.setattr(plugins._state, "plugins", None)
    code, output = invoke("helo")
    assert code == 2 and "error: MAQUETTE_PLUGINS is none, or only:NAME,NAME, and not 'acme'" in output


def test_the_list_says_what_each_plugin_brings(acme):
    code, output = invoke("plugin", "list")
    assert code == 0 and "1 part, 3 commands" in output and "13 parts, 1 config folder, 19 weights, 1 command" in output

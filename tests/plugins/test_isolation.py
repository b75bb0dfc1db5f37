"""Code of a plugin fails as one error that names it, and what it prints or changes is one line."""

import random
import time
import warnings

import pytest

from maquette.errors import ConfigError, PluginError
from maquette.plugins import isolation
from maquette.plugins.isolation import failing_as, isolated


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (SystemExit(3), "plugin acme: SystemExit: 3"),
        (SystemExit(), "plugin acme: SystemExit"),
        (ZeroDivisionError("by\nzero"), "plugin acme: ZeroDivisionError: by zero"),
        (GeneratorExit(), "plugin acme: GeneratorExit"),
        (ConfigError("no such key", key="a.b"), "plugin acme: a.b: no such key"),
    ],
)
def test_any_exception_is_an_error_that_names_the_plugin(problem, message):
    with pytest.raises(PluginError) as failure, isolated("plugin acme"):
        raise problem
    assert str(failure.value) == message and failure.value.__cause__ is problem


def test_an_interruption_is_the_users():
    with pytest.raises(KeyboardInterrupt), isolated("plugin acme"):
        raise KeyboardInterrupt


def test_a_failure_is_placed_at_its_last_line_in_the_folder(tmp_path):
    file = tmp_path / "deep.py"
    file.write_text("import json\n\ndef fail():\n    json.loads('{')\n")
    names = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    with pytest.raises(PluginError, match=r"JSONDecodeError: .* \(.*deep\.py:4\)$"), isolated("acme", tmp_path):
        names["fail"]()


def test_output_warnings_and_changes_are_one_line_each(caplog, capsys):
    before = random.getstate()
    with isolated("plugin acme"):
        print("hello\nworld")
        warnings.warn("old", UserWarning, stacklevel=1)
        random.seed(1)
    assert [record.getMessage() for record in caplog.records] == [
        "plugin acme changed Python's random state; that is undone",
        "plugin acme printed when it was imported: hello world",
        "plugin acme warned: UserWarning: old",
    ]
    assert capsys.readouterr().out == "" and random.getstate() == before


def test_a_slow_import_is_named(caplog, monkeypatch):
    monkeypatch.setattr(isolation, "SLOW_SECONDS", 0.01)
    with isolated("plugin acme"):
        time.sleep(0.02)
    assert "plugin acme takes 0.0 s to import" in caplog.text


def test_errors_of_maquette_pass_and_others_get_the_name():
    with pytest.raises(ConfigError, match=r"^no such key$"), failing_as("loss 'x' of acme"):
        raise ConfigError("no such key")
    with pytest.raises(PluginError, match=r"^loss 'x' of acme: ValueError: five$"), failing_as("loss 'x' of acme"):
        raise ValueError("five")

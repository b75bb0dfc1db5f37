"""An error is one line that names the key, the file and the remedy."""

import pytest

from maquette.errors import ConfigError, RunError, did_you_mean, require_prepared


@pytest.mark.parametrize(
    ("places", "line"),
    [
        ({}, "wrong"),
        ({"key": "stages.nerf.steps"}, "stages.nerf.steps: wrong"),
        ({"file": "a.yaml"}, "wrong (a.yaml)"),
        ({"file": "a.yaml", "line": 7}, "wrong (a.yaml:7)"),
        ({"line": 7}, "wrong"),
        ({"key": "seed", "file": "a.yaml", "line": 7, "hint": "try 1"}, "seed: wrong (a.yaml:7); try 1"),
    ],
)
def test_an_error_of_a_configuration_names_what_it_knows(places, line):
    assert str(ConfigError("wrong", **places)) == line


def test_errors_are_one_line_whatever_they_quote():
    assert str(ConfigError("a value\nof several\r\n lines", hint="write\tone")) == "a value of several lines; write one"


def test_errors_have_the_exit_codes_of_the_command_line():
    assert (ConfigError.exit_code, RunError.exit_code) == (2, 1)


def test_the_nearest_name_is_proposed_and_a_far_one_is_not():
    names = ["hash-grid", "voxel-grid", "dmtet"]
    assert did_you_mean("hashgrid", names) == "did you mean 'hash-grid'? "
    assert did_you_mean("zzz", names) == "" == did_you_mean("anything", [])


def test_what_is_not_prepared_says_whose_prepare_is_missing():
    assert require_prepared(0, object()) == 0
    with pytest.raises(RuntimeError, match=r"int is used before its prepare\(\) was called"):
        require_prepared(None, 3)


def test_a_notebook_shows_the_line_alone_and_everything_for_debugging(monkeypatch):
    monkeypatch.delenv("MAQUETTE_DEBUG", raising=False)
    problem = ConfigError("unknown key", key="stpes", hint="did you mean 'steps'?")
    assert problem._render_traceback_() == ["error: stpes: unknown key; did you mean 'steps'?"]
    monkeypatch.setenv("MAQUETTE_DEBUG", "1")
    assert "ConfigError" in "".join(problem._render_traceback_())

"""The top level of a method."""

import pytest

from maquette.config import load_method
from maquette.config.schema import LoggerConfig, MethodConfig
from maquette.errors import ConfigError


def test_a_method_needs_a_stage():
    with pytest.raises(ValueError, match="at least one stage under 'stages'"):
        MethodConfig(stages={})


@pytest.mark.parametrize("name", ["nerf", "fine 2", "größer", "a-b_c"])
def test_names_of_stages_are_those_of_folders(name):
    assert list(MethodConfig(stages={name: None}).stages) == [name]


@pytest.mark.parametrize("name", ["", "a.b", "../out", "-first", "a/b", "a\n"])
def test_other_names_of_stages_are_refused(name):
    with pytest.raises(ValueError, match="a stage's name is made of letters, digits"):
        MethodConfig(stages={name: None})


def test_the_schema_gives_defaults_that_run_offline_with_seed_0():
    method = MethodConfig(stages={"nerf": None})
    assert (method.seed, method.output, method.logger) == (0, "outputs", LoggerConfig(type="none", mode="offline"))


def test_a_key_that_the_schema_does_not_have_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'negative_prompt'"):
        load_method("dreamfusion", ["prompt=x", "negativ_prompt=y"])

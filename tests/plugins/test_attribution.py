"""An exception is a plugin's if the innermost line that is ours or a plugin's is the plugin's."""

import importlib

import pytest

from fake_plugins import HALF, install
from maquette import plugins, registry
from maquette.errors import ConfigError, PluginError
from maquette.plugins import attribute

CALLS = (
    HALF
    + """
def fail(): return {}["x"]
def ask(): from maquette.registry import names; return names(3)
"""
)


def raised(function):
    with pytest.raises(Exception) as caught:
        function()
    return caught.value


def test_the_innermost_line_says_whose_an_exception_is(site):
    install(site, "acme", files={"half.py": CALLS})
    plugins.reload()
    module = importlib.import_module("acme.half")
    named = attribute(raised(module.fail))
    assert isinstance(named, PluginError)
    assert str(named).startswith("score 'half' of plugin acme 1.0: KeyError: 'x' (")
    assert f"half.py:{1 + [line[:8] for line in CALLS.splitlines()].index('def fail')})" in str(named)
    assert attribute(raised(module.ask)) is None
    assert attribute(raised(lambda: 1 / 0)) is None


def test_errors_within_a_block_get_the_name_of_a_plugins_part_and_not_of_a_built_in_one(site):
    install(site, "acme")
    plugins.reload()
    refused = pytest.raises(PluginError, match=r"^score 'half' of plugin acme 1\.0: ZeroDivisionError")
    with refused, plugins.naming("score", "half"):
        raise ZeroDivisionError
    with pytest.raises(ConfigError, match="mine"), plugins.naming("score", "half"):
        raise ConfigError("mine")
    with pytest.raises(ZeroDivisionError), plugins.naming("score", "cfg"):
        raise ZeroDivisionError
    assert registry.declaration("score", "half").title == "score 'half' of plugin acme 1.0"

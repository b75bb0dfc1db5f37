"""The registry finds parts by name, without importing what is not asked for."""

import subprocess
import sys

import pytest

from maquette import registry
from maquette.errors import PluginError


def test_a_part_is_found_in_the_file_of_its_name():
    assert registry.get("geometry", "hash-grid").__module__ == "maquette.geometry.hash_grid"


def test_an_unknown_part_names_the_nearest():
    with pytest.raises(registry.UnknownPartError, match="did you mean 'hash-grid'"):
        registry.get("geometry", "hash-gird")


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(registry.UnknownPartError, match="did you mean 'geometry'"):
        registry.get("geometri", "hash-grid")


def test_two_classes_cannot_share_a_name():
    with pytest.raises(PluginError, match="two score parts are called 'cfg'"):
        registry.get("score", "cfg")
        registry.register("score", "cfg")(type("Other", (), {}))


def test_a_plugin_cannot_take_a_built_in_name():
    with pytest.raises(PluginError, match="name of a built-in part"):
        registry.add("score", "cfg", "somewhere:Class", "some-package")


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_listed_part_loads_and_says_what_it_does(kind):
    for name in registry.names(kind):
        assert registry.summary(kind, name)


def test_listing_names_imports_no_model_code():
    code = "import sys, maquette.registry as r\nr.names('prior')\nassert not {'diffusers', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

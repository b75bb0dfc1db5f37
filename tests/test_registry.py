"""The registry finds parts by name, without importing what is not asked for."""

import importlib
import subprocess
import sys
from dataclasses import dataclass

import pytest

from maquette import plugins, registry
from maquette.config.capabilities import Capabilities
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


def test_a_class_without_a_contract_lacks_it():
    with pytest.raises(PluginError, match=r"score 'new', .*lacks a dataclass Config, the base class maquette.scores"):
        registry.register("score", "new")(type("New", (), {}))


def test_an_unfinished_part_is_refused_with_all_that_it_lacks():
    from maquette.priors.base import Prior

    class Half(Prior):
        @dataclass(frozen=True)
        class Config:
            path: str = ""

        def __init__(self, config):
            self.device = "cpu"

        def encode(self, rgb):
            return self.noise_schedule, rgb

    lacks = "the method capabilities, the method condition, the method decode, the method predict, "
    lacks += "a value for self.noise_schedule; the contract of a prior is in maquette.priors.base"
    with pytest.raises(PluginError, match=f"prior 'half', .*test_registry.*Half, is unfinished: it lacks {lacks}"):
        registry.register("prior", "half")(Half)
    assert "half" not in registry.names("prior")


def test_a_loss_without_a_weight_is_refused():
    from maquette.losses.base import Loss

    class Weightless(Loss):
        @dataclass(frozen=True)
        class Config:
            scale: float = 1.0

        def __call__(self, rendering, geometry):
            return rendering.rgb.mean()

    with pytest.raises(PluginError, match=r"loss 'weightless', .* lacks Config.weight, a Schedule"):
        registry.register("loss", "weightless")(Weightless)


def test_a_score_combines_in_one_way_or_the_other():
    from maquette.scores.base import Score

    class Mute(Score):
        @dataclass(frozen=True)
        class Config:
            pass

        @classmethod
        def capabilities(cls, config):
            return Capabilities()

    with pytest.raises(PluginError, match="it lacks the method combine;"):
        registry.register("score", "mute")(Mute)


def test_a_geometry_says_how_far_it_reaches_and_what_it_carries():
    from maquette.geometry.base import Field

    class Boundless(Field):
        @dataclass(frozen=True)
        class Config:
            channels: int = 3

        def query(self, points, normals=False):
            raise AssertionError

    with pytest.raises(PluginError, match="it lacks a value for bound, a value for channels;"):
        registry.register("geometry", "boundless")(Boundless)


@pytest.mark.parametrize("kind", ["exporter", "metric"])
def test_what_is_called_has_to_be_callable(kind):
    module, _, name = registry.CONTRACTS[kind].partition(":")
    contract = getattr(importlib.import_module(module), name)
    part = type("Silent", (contract,), {"Config": dataclass(type("Config", (), {}))})
    with pytest.raises(PluginError, match="it lacks the method __call__"):
        registry.register(kind, "silent")(part)


def test_one_source_declares_a_part_once():
    declaration = registry.Declaration("score", "twice", "acme", "acme.twice:Twice", load=object)
    registry.declare(declaration)
    with pytest.raises(PluginError, match="acme declares score 'twice' twice"):
        registry.declare(declaration)
    plugins.reload()
    assert "twice" not in registry.names("score")


def test_a_file_is_read_for_its_parts_without_being_imported(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        'raise SystemExit\n@registry.register("loss", "mine")\nclass Mine:\n    """What it does.\n\n    More."""\n'
    )
    assert registry.registered_classes(file) == {("loss", "mine"): "What it does."}


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_listed_part_loads_and_says_what_it_does(kind):
    for name in registry.names(kind):
        said = (registry.get(kind, name).__doc__ or "").strip().split("\n")[0]
        assert said and registry.summary(kind, name) == said


def test_listing_names_imports_no_model_code():
    code = "import sys, maquette.registry as r\nr.names('prior'), r.summary('prior', 'oracle')\n"
    code += "assert not {'diffusers', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

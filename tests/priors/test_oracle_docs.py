"""The examples of docs/oracle.md run as the page shows them."""

import dataclasses
import re

import pytest
import yaml
from toy_views import toy_views

from maquette import registry
from maquette.config.parts import PriorSpec, check
from maquette.data.formats import save_posed_images
from maquette.data.formats.captioned import load_captioned_views
from project import examples, page

PAGE = page("oracle")


def test_the_python_examples_run_in_order(tmp_path, monkeypatch):
    pytest.importorskip("maquette_nano")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec("\n".join(examples("oracle", "python")), names)
    assert names["conditions"]["positive"].shape == (2, 96)
    assert load_captioned_views("FOLDER").captions == (("a red ball",), ("a blue ball",))


def test_the_captions_file_is_read(tmp_path):
    images = dataclasses.replace(toy_views().images[:2], names=("front", "side"))
    save_posed_images(tmp_path, images)
    (tmp_path / "captions.json").write_text(examples("oracle", "json")[0])
    assert load_captioned_views(tmp_path).captions == (("a red car", "a red car with white dots"),)


def test_the_yaml_examples_are_valid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FOLDER").mkdir()
    for text in examples("oracle", "yaml"):
        check(PriorSpec, yaml.safe_load(text)["prior"], "prior", lambda key: None)


def test_the_table_names_every_dial():
    config = registry.get("prior", "oracle").Config
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert named == set(config.__dataclass_fields__) - {"path", "size", "background", "device", "dtype"}


def test_the_carried_set_is_what_its_recipe_makes():
    from maquette.weights.loading import weights_source
    from maquette_nano.oracle import OBJECTS, captioned_views
    from maquette_nano.world import make_object

    carried = load_captioned_views(weights_source("nano-views"))
    made = captioned_views([make_object(*OBJECTS[0])])
    assert carried.captions[0] == made.captions[0] and len(carried.captions) == len(OBJECTS)
    assert (carried.images.picture.rgba[:8] - made.images.picture.rgba).abs().mean() < 1 / 255

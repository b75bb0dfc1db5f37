"""The part keeps the contract of a loss, and its example can be read."""

from pathlib import Path

import yaml

import maquette_example_brightness
from maquette.testing import check_loss
from maquette_example_brightness.brightness import Brightness

EXAMPLES = sorted(Path(maquette_example_brightness.__file__).parent.glob("configs/*/*.yaml"))


def test_the_part_conforms() -> None:
    check_loss(Brightness).require()


def test_the_part_is_found_by_its_name() -> None:
    from maquette import plugins, registry

    plugins.load()
    assert registry.get("loss", "brightness") is Brightness


def test_the_example_can_be_read() -> None:
    assert EXAMPLES
    for path in EXAMPLES:
        from maquette.config.loading import load_method

        load_method(str(path), ["prompt=a red mug"], folder="methods")
        assert "brightness" in yaml.safe_dump(yaml.safe_load(path.read_text()))

"""The example of every part is a file that loads as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from maquette import plugins, registry
from maquette.bench.suites import load_suite
from maquette.config.examples import example
from maquette.config.loading import load_method
from maquette.config.origins import load_yaml


def test_an_example_has_each_option_with_its_default_and_its_documentation():
    shown = example("loss", "normal-smoothness-3d")
    assert shown.text.startswith("extends: dreamfusion\nstages:\n  nerf:\n    losses:\n      normal-smoothness-3d:\n")
    assert "samples: 8192  # largest number of samples, evenly picked" in shown.text
    assert shown.command.startswith("maquette run mine.yaml ")


def test_an_option_without_a_default_has_the_value_of_a_file_that_ships():
    assert "path: nano-zero123" in example("prior", "zero123").text


def test_a_recipe_is_the_example_of_a_learner():
    shown = example("learner", "novel-view")
    assert shown.text.startswith("extends: nano-zero123\n") and shown.command == "maquette train mine.yaml"


def test_the_command_of_a_stereo_part_gives_what_stereo_is_made_of():
    assert example("stereo", "constant-disparity").command == "maquette run mine.yaml image=mug.png"


def test_an_example_of_a_metric_is_a_suite(tmp_path):
    shown = example("metric", "janus")
    (tmp_path / "mine.yaml").write_text(shown.text)
    assert load_yaml(tmp_path / "mine.yaml")[0]["metrics"]["janus"]["reader"] == "nano-viewpoint"
    assert shown.command == "maquette bench run mine.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("kind", registry.KINDS)
def test_the_example_of_every_part_loads_when_it_is_pasted(kind, tmp_path: Path):
    plugins.load()
    (tmp_path / "mug.png").touch()
    words = {"prompt": "a red mug", "image": tmp_path / "mug.png", "prior": "nano-text"}
    for key, name in (("data", "photographs"), ("dataset", "meshes")):
        (tmp_path / name).mkdir()
        words[key] = tmp_path / name
    for name in registry.names(kind):
        shown = example(kind, name)
        (tmp_path / "mine.yaml").write_text(shown.text)
        if shown.folder == "suites":
            load_suite(str(tmp_path / "mine.yaml"))
            continue
        needed = [f"{word}={value}" for word, value in words.items() if f" {word}=" in shown.command]
        load_method(str(tmp_path / "mine.yaml"), needed, shown.folder)

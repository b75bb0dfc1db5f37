"""The examples of docs/config.md load, and do what the page says."""

import re
import shlex

import pytest

from maquette.config import load_method
from project import page

FILES = dict(re.findall(r"```yaml\n# ([\w-]+\.yaml)(.*?)```", page("config"), re.DOTALL))
COMMANDS = re.findall(r"^maquette show (.*)$", page("config"), re.MULTILINE)


def load(name: str, tmp_path):
    (tmp_path / name).write_text(f"#{FILES[name]}")
    return load_method(str(tmp_path / name), ["prompt=x"]).method


def test_the_first_example_wins_over_the_laptop_file(tmp_path):
    nerf = load("short.yaml", tmp_path).stages["nerf"].config
    assert (nerf.steps, nerf.geometry.config.levels) == (30, 6)


def test_the_second_example_takes_out_a_loss_and_a_stage(tmp_path):
    stages = load("without-opacity.yaml", tmp_path).stages
    assert list(stages) == ["nerf"] and set(stages["nerf"].config.losses) == {"orientation", "entropy", "z-variance"}


def test_the_third_example_places_a_stage(tmp_path):
    assert list(load("refined.yaml", tmp_path).stages) == ["nerf", "refine", "export"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_reach_the_prior_of_the_guidance(command):
    name, word = shlex.split(command)
    prior = load_method(name, ["prompt=x", word]).method.stages["nerf"].config.guidance["sds"].prior.config
    key, value = word.rpartition(".")[2].split("=")
    assert str(getattr(prior, key)) == value

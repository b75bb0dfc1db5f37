"""Which of a config's layers wins."""

from pathlib import Path

import pytest

from maquette.config.layers import compose
from maquette.config.method_files import read_files
from maquette.errors import ConfigError

BASE = "defaults: {prior: plain}\nvalue: file\nwhen:\n  prior=fancy: {value: condition}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Config folders with two choices of a group, and a method that takes the first."""
    monkeypatch.setattr("maquette.config.paths.config_roots", lambda: [tmp_path])
    for name in ("priors", "methods", "laptop"):
        (tmp_path / name).mkdir()
    for choice in ("plain", "fancy"):
        (tmp_path / "priors" / f"{choice}.yaml").write_text(f"prior: {choice}\nvalue: group\n")
    (tmp_path / "methods" / "base.yaml").write_text(BASE)
    return tmp_path


def composed(folder: Path, text: str, choice: str, swapped: bool = False) -> tuple[dict, dict]:
    path = folder / "methods" / "mine.yaml"
    path.write_text(text)
    return compose(read_files(path, "methods"), {"prior": choice}, ["prior"] if swapped else [])


@pytest.mark.parametrize(
    ("text", "choice", "value"),
    [
        (BASE, "plain", "file"),  # over the group that it introduces
        (BASE, "fancy", "condition"),  # over all of the same file
        ("extends: base\nseed: 1\n", "fancy", "condition"),
        ("extends: base\nvalue: mine\n", "fancy", "mine"),  # over all that it extends
    ],
)
def test_layers_win_in_their_order(folder, text, choice, value):
    data, _ = composed(folder, text, choice, swapped=choice == "fancy")
    assert data["value"] == value and data["prior"] == choice


def test_the_laptop_layer_lies_between_a_files_keys_and_its_conditions(folder):
    (folder / "laptop" / "base.yaml").write_text("for: {prior: [plain, fancy]}\nvalue: laptop\nsmall: true\n")
    for choice, value in (("plain", "laptop"), ("fancy", "condition")):
        data, origins = composed(folder, "extends: base\n", choice, swapped=choice == "fancy")
        assert data["value"] == value and data["small"] is True and "for" not in data
        assert origins["small"].line == 3
    assert composed(folder, "extends: base\nvalue: mine\n", "plain")[0]["value"] == "mine"


def test_a_layer_of_a_choice_or_group_that_is_not_there_is_refused_with_its_line(folder):
    with pytest.raises(ConfigError, match=r"there is no prior called 'fanci' .*mine\.yaml:3\).*did you mean 'fancy'"):
        composed(folder, BASE.replace("prior=fancy", "prior=fanci").replace("value: file\n", ""), "plain")
    with pytest.raises(ConfigError, match=r"not a condition on a group .*known: prior=\.\.\."):
        composed(folder, BASE.replace("prior=fancy", "priro=fancy"), "plain")

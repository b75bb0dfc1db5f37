"""A method's file is split into its keys and its directives, and read after the files that it extends."""

from pathlib import Path

import pytest

from maquette.config.method_files import read_files
from maquette.errors import ConfigError


def write(folder: Path, **files: str) -> Path:
    """The files by name; the last one's path."""
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.write_text(text)
    return path


def test_directives_are_no_keys(tmp_path):
    text = "defaults: {prior: nano}\nseed: 1\nwhen:\n  prior=nano: {seed: 2}\n"
    (file,) = read_files(write(tmp_path, a=text), "methods")
    assert file.keys == {"seed": 1} and file.defaults == file.choices == {"prior": "nano"}
    assert file.when == {"prior=nano": {"seed": 2}} and file.resolved_groups is None
    assert (file.origins["seed"].line, file.origins["when.prior=nano.seed"].line) == (2, 4)


def test_the_config_of_a_run_says_which_choices_it_holds(tmp_path):
    (file,) = read_files(write(tmp_path, a="groups: {prior: sd15}\nseed: 1\n"), "methods")
    assert file.resolved_groups == file.choices == {"prior": "sd15"} and file.keys == {"seed": 1}


def test_a_file_comes_after_those_that_it_extends_and_each_comes_once(tmp_path):
    path = write(
        tmp_path,
        root="seed: 0\n",
        left="extends: root\n",
        right="extends: ./root.yaml\n",
        top="extends: [left, right]\n",
    )
    assert [file.path.stem for file in read_files(path, "methods")] == ["root", "left", "right", "top"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("extends: {a: b}\n", r"extends: extends names a method, a file, or a list of them .*bad\.yaml:1"),
        ("extends: [3]\n", "extends names a method"),
        ("seed: 1\nextends: nothing-like-it\n", r"extends: .*bad\.yaml:2"),
        ("defaults: [prior]\n", "defaults is a mapping of group to file"),
        ("defaults: {prior: 3}\n", r"defaults\.prior: defaults is a mapping of group to file"),
        ("when: {prior=nano: 3}\n", r"when\.prior=nano: when is a mapping of condition to settings"),
        ("extends: bad\n", "extend each other in a circle"),
    ],
)
def test_a_directive_of_the_wrong_form_is_named_with_its_line(text, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        read_files(write(tmp_path, bad=text), "methods")

"""Lists of prompts: one a line, from a file or from those that come with maquette."""

from __future__ import annotations

import re

import pytest

from maquette.bench.suites import load_suite
from maquette.errors import ConfigError
from maquette.runs.prompts import library, read_prompts
from maquette_nano.world import all_test_captions, words


def test_a_file_has_one_prompt_a_line_and_comments(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("# mine\na red mug\n\n  a caf\u00e9, at night  \na red mug\n", encoding="utf-8-sig")
    assert read_prompts(str(path)) == ["a red mug", "a caf\u00e9, at night"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.txt", r"prompts: cannot read nowhere.txt: No such file.*lib:NAME, known: .*nano"),
        ("lib:nanno", r"prompts: there is no list of prompts 'nanno'; did you mean 'nano'\?"),
        ("empty.txt", r"prompts: there is no prompt in empty.txt; write one a line"),
        ("latin.txt", r"prompts: latin.txt is no text in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(ConfigError, match=message):
        read_prompts(name)


@pytest.mark.parametrize("name", ["nano", "nano-held-out"])
def test_the_nano_priors_know_every_word_of_their_lists(name):
    prompts = read_prompts(f"lib:{name}")
    unknown = {word for prompt in prompts for word in re.findall(r"\w+", prompt)} - set(words())
    assert len(prompts) >= 20 and not unknown


def test_the_held_out_list_is_that_of_the_suite_and_the_other_shares_nothing_with_it():
    held_out = read_prompts("lib:nano-held-out")
    assert held_out == [case.prompt for case in load_suite("nano-text").cases]
    assert not set(read_prompts("lib:nano")) & set(held_out) and len(all_test_captions()) > len(held_out)


def test_every_list_that_comes_along_can_be_read():
    assert {"nano", "nano-held-out", "classics"} <= library().keys()
    assert all(len(read_prompts(f"lib:{name}")) == len(set(read_prompts(f"lib:{name}"))) for name in library())

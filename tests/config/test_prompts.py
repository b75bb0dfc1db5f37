"""Prompts are data: what a user types arrives unchanged, and so does what a run writes down."""

import logging
import string
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.config import load_method
from maquette.config.origins import dump_yaml, load_yaml, parse_value
from maquette.config.references import escape, resolve_references
from maquette.errors import ConfigError

METHOD = """
name: words
prompt: ???
variables: {colour: red}
stages:
  nerf:
    type: optimise
    cameras: random-orbit
    geometry: voxel-grid
    material: plain
    background: solid
    renderer: volume
    guidance: {a: {prior: {type: gaussian, means: {x: [0, 0, 0]}}, score: cfg, objective: sds}}
"""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
PIECES = st.lists(
    st.sampled_from([
        "\\", "${", "}", "$", "???", "\x85", "\u2028", "\u2029", "\ufeff", "\n", "\r\n", "\t", " ", "  ", "'", '"', "#",
        ": ", "- ", "{", "[", "]", "&", "*", "!", "|", ">", "%", "@", "`", "=", "~", "-", "--", "0", "1984", "0o10",
        "1e3", ".nan", "null", "yes", "true", "🦊", "é", "e\u0301", "\x00", "\x1b", "\U0001f468\u200d\U0001f469", "{}",
        "${seed}", "${variables.colour}", "\\${prompt}", "\ue0000\ue001", "prompt=", "a",
    ]),
    min_size=1, max_size=12,
).map("".join)  # fmt: skip
CASES = [
    "a red \\${ball}",
    "a ${ ball",
    "a red\x85ball",
    "???",
    "-dash",
    "1984",
    "a: b",
    "a\nb",
    " a ",
    "\\",
    "\\\\${x}",
    "${",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("words")
    (path / "method.yaml").write_text(METHOD)
    return path


def arrives(folder: Path, prompt: str) -> None:
    """A prompt arrives at all its keys, and again from what a run would write."""
    words = [f"prompt={prompt}", f"negative_prompt={prompt}", f"stages.nerf.guidance.a.prompt={prompt}"]
    first = load_method(str(folder / "method.yaml"), words)
    (folder / "config.yaml").write_text(first.to_yaml(), encoding="utf-8")
    again = load_method(str(folder / "config.yaml"))
    for method in (first.method, again.method):
        texts = (method.prompt, method.negative_prompt, method.stages["nerf"].config.guidance["a"].prompt)
        assert texts == (prompt, prompt, prompt)
    assert again.to_yaml() == (folder / "config.yaml").read_text(encoding="utf-8")


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.one_of(TEXT, PIECES).filter(str.strip))
def test_any_prompt_arrives_and_is_written_to_the_same(folder, prompt):
    arrives(folder, prompt)


@pytest.mark.parametrize("prompt", CASES)
def test_the_prompts_that_once_failed_arrive(folder, prompt):
    arrives(folder, prompt)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(TEXT, PIECES))
@example("x" * 300 + "  " + "y " * 100)
def test_any_text_in_yaml_is_read_as_it_was_written(folder, text):
    data = {"variables": {"a": text, "b": [text, {"c": text}], text.replace("~", "") or "k": 1}}
    (folder / "data.yaml").write_text(dump_yaml(data), encoding="utf-8")
    assert load_yaml(folder / "data.yaml")[0] == data


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(TEXT, PIECES))
def test_an_escaped_text_holds_no_reference(text):
    assert resolve_references({"a": escape(text), "b": "${a}"}, {}) == {"a": text, "b": text}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(TEXT, st.text(string.printable), PIECES))
def test_any_value_of_the_command_line_is_read_or_refused(text):
    try:
        parse_value(text, "key")
    except ConfigError as problem:
        assert problem.key.startswith("key") and "\n" not in str(problem)


@pytest.mark.parametrize("key", ["prompt", "image", "stages.nerf.guidance.a.prompt", "name", "seed"])
def test_bytes_that_are_no_utf_8_are_refused_before_anything_is_made(folder, tmp_path, key):
    word = b"caf\xe9".decode("utf-8", "surrogateescape")
    result = CliRunner().invoke(
        app, ["run", str(folder / "method.yaml"), "prompt=x", f"{key}={word}", f"output={tmp_path / 'out'}"]
    )
    assert result.exit_code == 2 and result.output.startswith(f"error: {key}: the character '\\udce9' is no text")
    assert not (tmp_path / "out").exists()


def test_half_a_character_in_a_file_is_refused(folder):
    (folder / "half.yaml").write_text(METHOD.replace("???", '"\\uD83D"'))
    with pytest.raises(ConfigError, match=r"^prompt: half of a character.*half\.yaml:3"):
        load_method(str(folder / "half.yaml"))


def test_numbers_in_the_place_of_text_are_taken_as_they_are_typed(folder):
    text = METHOD.replace("objective: sds}", "objective: sds, prompt: 010}").replace("???", "1e3")
    (folder / "numbers.yaml").write_text(text)
    method = load_method(str(folder / "numbers.yaml")).method
    assert (method.prompt, method.stages["nerf"].config.guidance["a"].prompt) == ("1e3", "010")
    own = load_method(str(folder / "numbers.yaml"), ["stages.nerf.guidance.a.prompt=1984", "name=0x10"]).method
    view = "{template: 3, tell_sides: true}"
    words = ["prior={type: stable-diffusion, path: org/x}", f"prior.view_prompts={view}", "prior.embeddings=[1, 2]"]
    with pytest.raises(ConfigError, match=r"embeddings: there is no file \S*/1 "):
        load_method("dreamfusion", ["prompt=x", *words])
    assert (own.name, own.stages["nerf"].config.guidance["a"].prompt) == ("0x10", "1984")


def test_a_list_in_the_place_of_a_prompt_is_one_prompt_with_a_word_about_it(folder, caplog):
    with caplog.at_level(logging.WARNING):
        assert load_method(str(folder / "method.yaml"), ["prompt=[a,b]"]).method.prompt == "[a,b]"
    assert "prompt: [a,b] is one prompt, and not a list of them" in caplog.text


def test_show_keeps_the_prompt_of_the_file_and_stands_in_for_a_missing_one(folder):
    (folder / "mug.yaml").write_text(METHOD.replace("???", "a red mug"))

    def prompt(*words: str) -> str:
        output = CliRunner().invoke(app, ["show", *words]).output
        return next(line for line in output.splitlines() if line.startswith("prompt:")).partition("  #")[0].strip()

    assert prompt(str(folder / "mug.yaml")) == "prompt: a red mug"
    assert prompt(str(folder / "mug.yaml"), "--plain") == "prompt: a red mug"
    assert prompt(str(folder / "method.yaml")) == "prompt: (your prompt)"
    assert prompt(str(folder / "method.yaml"), "prompt=a cup") == "prompt: a cup"

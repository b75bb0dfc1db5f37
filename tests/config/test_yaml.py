"""YAML as version 1.2 has it; whatever is not plain data is one line with file, line and key."""

import pytest

from maquette.config import load_method
from maquette.config.origins import load_yaml, parse_value
from maquette.errors import ConfigError


def read(tmp_path, text: str):
    (tmp_path / "file.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_yaml(tmp_path / "file.yaml")[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("08", 8), ("-007", -7), ("+5", 5), ("0o10", 8), ("0x1F", 31),
        ("1:30", "1:30"), ("1_000", "1_000"),
        ("0b11", "0b11"), ("1e3", 1000.0), ("1.5e-3", 0.0015), (".5", 0.5), ("5.", 5.0), ("-.inf", float("-inf")),
        ("yes", "yes"), ("on", "on"), ("True", True), ("null", None),
        ("~", None), ("", None), ("2026-01-01", "2026-01-01"),
        ("!!str 5", "5"), ("!!float 5", 5.0), ("'='", "="), ("[010, 1:30]", [10, "1:30"]), ("0x_", "0x_"),
    ],
)  # fmt: skip
def test_values_are_those_of_yaml_1_2(tmp_path, text, value):
    assert parse_value(text)[0] == value
    assert read(tmp_path, f"a: {text}")["a"] == value


@pytest.mark.parametrize("word", ["seed=010", "seed=0o12", "seed=+10"])
def test_a_seed_is_a_decimal_number(word):
    assert load_method("dreamfusion", ["prompt=x", word]).method.seed == 10


@pytest.mark.parametrize("word", ["seed=1:30", "seed=0x_", "seed=1e1", "seed=ten", "seed=[1]", "seed=", "seed=true"])
def test_what_is_no_seed_is_refused(word):
    with pytest.raises(ConfigError, match=r"^seed: expected a whole number, got "):
        load_method("dreamfusion", ["prompt=x", word])


WRONG = {
    "a: !env HOME": r"^a: the tag !env is not read here",
    "a: !!python/object/apply:os.system [ls]": r"^a: the tag !!python/object/apply:os.system is not read here",
    "a: !!binary aGk=": r"^a: the tag !!binary",
    "a: !!set {x, y}": r"^a: the tag !!set",
    "a: {b: !local {c: 1}}": r"^a\.b: the tag !local",
    "a: =": r"^a: a lone '=' is no value",
    "a: !!int abc": r"^a: 'abc' is no int",
    "a: !!bool maybe": r"^a: 'maybe' is no bool",
    "a: &a {b: *a}": r"^a\.b: this alias takes itself in",
    "a: &a [1, [*a]]": r"this alias takes itself in",
    "a: &a {<<: *a}": r"this alias takes itself in",
    "a: *nowhere": r"YAML syntax error: found undefined alias",
    "a: 1\na: 2": r"^a: this key stands twice",
    "a: {b: 1, 'b': 2}": r"^a\.b: this key stands twice",
    "? [a, b]\n: 1": r"a key is a word",
    "{{a}: 1}: 2": r"a key is a word",
    "a: [1": r"YAML syntax error",
    "a: 1\n---\nb: 2": r"YAML syntax error",
    "a: 'x": r"YAML syntax error",
    "\tb: 1": r"YAML syntax error",
    "a: \x00": r"the character U\+0000 is not allowed",
    "a: \x1b[0m": r"the character U\+001B is not allowed",
    "[a]": r"a config is a mapping of keys to values",
    "just text": r"a config is a mapping of keys to values",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_plain_data_is_one_line_with_its_place(tmp_path, text):
    with pytest.raises(ConfigError, match=WRONG[text]) as caught:
        read(tmp_path, text)
    assert "file.yaml" in str(caught.value) and "\n" not in str(caught.value) and caught.value.line


def test_aliases_that_explode_and_nesting_without_end_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(ConfigError, match="expand to more than 50000 values"):
        read(tmp_path, "\n".join(lines))
    for text in ("a: " + "{a: " * 1000 + "}" * 1000, "a: " + "[" * 1000 + "]" * 1000, "a: " + "[" * 100 + "]" * 100):
        with pytest.raises(ConfigError, match="nested"):
            read(tmp_path, text)
        with pytest.raises(ConfigError, match="nested"):
            load_method("dreamfusion", [f"variables={text[3:]}"])


def test_an_alias_may_be_used_often(tmp_path):
    data = read(tmp_path, "a: &a {b: 1}\nc: *a\nd: [*a, *a]\n")
    assert data == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}
    data["c"]["b"] = 2
    assert data["a"] == {"b": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_with_a_byte_order_mark_is_read(tmp_path, encoding):
    (tmp_path / "file.yaml").write_bytes("prompt: größe 🦊\r\nseed: 3\r\n".encode(encoding))
    assert load_yaml(tmp_path / "file.yaml")[0] == {"prompt": "größe 🦊", "seed": 3}


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read this file: it is no text"):
        read(tmp_path, b"\x89PNG\r\n\x1a\n\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"cannot read this file: Is a directory"):
        load_yaml(tmp_path)


@pytest.mark.parametrize("word", ["=1", "a..b=1", ".seed=1", "seed.=1", "~", "~=", "~a..b", "seed"])
def test_a_word_without_a_key_is_no_override(word):
    with pytest.raises(ConfigError, match="not an override"):
        load_method("dreamfusion", ["prompt=x", word])

"""What one layer of a config does to those below it."""

import pytest

from maquette.config.merging import REFINED, is_name, is_reference, merge, overlay
from maquette.config.origins import Origin
from maquette.errors import ConfigError


def merged(base: dict, top: dict) -> dict:
    merge(base, top)
    return base


@pytest.mark.parametrize(
    ("below", "above", "together"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"type": "x", "b": 1}}, {"a": {"b": 2}}, {"a": {"type": "x", "b": 2}}),
        ({"a": {"type": "x", "b": 1}}, {"a": {"type": "x", "c": 2}}, {"a": {"type": "x", "b": 1, "c": 2}}),
        ({"a": {"type": "x", "b": 1}}, {"a": {"type": "y", "c": 2}}, {"a": {"type": "y", "c": 2}}),
        ({"a": "x"}, {"a": {"b": 1}}, {"a": {"type": "x", "b": 1}}),
        ({"a": "${p}"}, {"a": {"b": 1}}, {"a": {REFINED: "${p}", "b": 1}}),
        ({"a": {"b": 1}}, {"a": "x"}, {"a": "x"}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"~b": None}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"~a": None, "a": {"c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"~a.b.c": None}, {"a": {"b": {"d": 2}}}),
    ],
)
def test_a_mapping_is_merged_unless_it_is_another_part(below, above, together):
    assert merged(below, above) == together


def test_merging_leaves_the_upper_layer_as_it_is_and_shares_nothing_with_it():
    top = {"a": {"b": [1]}}
    together = merged({}, top)
    together["a"]["b"].append(2)
    assert top == {"a": {"b": [1]}}


def test_merging_names_what_is_replaced():
    assert merge({"a": {"b": 1}, "c": "x", "d": 0}, {"a": {"b": 2}, "c": {"type": "y"}, "~d": None}) == [
        "a.b",
        "c",
        "d",
    ]


def test_a_replaced_part_loses_the_origins_of_what_it_had():
    data, origins = {"a": {"type": "x", "b": 1}}, {"a.type": Origin("low:1"), "a.b": Origin("low:2")}
    overlay(data, origins, {"a": {"type": "y"}}, {"a.type": Origin("high:1")})
    assert origins == {"a.type": Origin("high:1")}


def test_stages_stand_where_they_are_placed_and_else_before_the_exports_at_the_end():
    data = {"stages": {"first": {"type": "optimise"}, "out": {"type": "export"}}}
    new = {"second": {"type": "optimise"}, "zeroth": {"type": "optimise", "before": "first"}, "more": "export"}
    overlay(data, {}, {"stages": new}, {})
    assert list(data["stages"]) == ["zeroth", "first", "second", "out", "more"]
    assert data["stages"]["zeroth"] == {"type": "optimise"}


@pytest.mark.parametrize(
    ("top", "words"),
    [
        ({"~b": None}, r"~b: there is nothing to remove .*low\.yaml:3.*known here: a"),
        ({"~a": 1}, "a key to take out has no value"),
        ({"stages": {"x": {"after": "y"}}}, "there is no other stage 'y'"),
        ({"stages": {"x": {"after": "s", "before": "s"}}}, "give one of after and before"),
    ],
)
def test_what_cannot_be_done_is_refused_by_key(top, words):
    data = {"a": {}, "stages": {"s": {}}} if "stages" in top else {"a": {}}
    with pytest.raises(ConfigError, match=words):
        overlay(data, {}, top, {"~b": Origin("low.yaml:3", "low.yaml", 3)})


def test_names_and_references_are_told_apart():
    assert is_name("hash-grid") and not is_name("") and not is_name("${prior}") and not is_name(3)
    assert is_reference("${prior}") and not is_reference("${a} and ${b}") and not is_reference("prior")

"""`maquette describe`, as a user types it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from maquette.cli.app import app


def call(*words: str):
    return CliRunner().invoke(app, ["describe", *words], env={"COLUMNS": "150"})


def test_a_part_is_described_with_options_fits_source_and_example():
    text = call("prior/zero123").output
    assert "Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328)" in text
    assert "Goes with scores all but cfg-two, perp-neg" in text
    assert "picture side in pixels; 0: the side that the model was trained on (whole number, at least 0)" in text
    assert "to be run by: maquette run mine.yaml image=mug.png" in text and "\nextends: zero123\n" in text


def test_a_name_alone_suffices_where_it_is_unique():
    assert call("orientation").output.startswith("loss/orientation ")


def test_a_plural_names_the_kind_too():
    assert call("losses/orientation").output == call("loss/orientation").output


def test_a_name_of_several_things_lists_them():
    result = call("zero123")
    assert result.exit_code == 2 and "say which: prior/zero123, method/zero123" in result.output


@pytest.mark.parametrize("word", ["loss", "stereo"])
def test_a_kind_alone_says_what_lists_its_parts(word):
    result = call(word)
    assert result.exit_code == 2 and f"`maquette list {word}` lists the parts of this kind" in result.output


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("orientaton", "orientation"),
        ("loss/orientaton", "orientation"),
        ("priro/zero123", "prior/zero123"),
        ("magci123", "magic123"),
    ],
)
def test_a_mistyped_reference_names_the_nearest(word, nearest):
    result = call(word)
    assert result.exit_code == 2 and f"did you mean '{nearest}'" in result.output


def test_a_method_is_described_without_the_picture_that_it_needs():
    text = call("method/zero123").output
    assert "command: maquette run zero123 image=mug.png" in text and "nerf: optimise; data image;" in text


def test_a_key_of_a_method_shows_what_the_method_sets_beside_the_defaults():
    facts = json.loads(call("dreamfusion", "stages.nerf.guidance.sds.objective", "--json").output)
    assert facts["set"]["timesteps.high"] == [[0, 0.98], ["60%", 0.6]]
    assert (
        "stages.nerf.guidance.sds: prior/stable-diffusion, score/cfg, objective/sds"
        in call("dreamfusion", "stages.nerf.guidance").output
    )


def test_a_part_has_no_dotted_keys():
    assert "keys are of methods" in call("loss/orientation", "weight").output


def test_json_has_stable_keys():
    facts = json.loads(call("loss/orientation", "--json").output)
    assert list(facts) == [
        "kind", "name", "summary", "doc", "source", "owner", "target", "fits", "options", "example",
    ]  # fmt: skip
    assert list(facts["options"][0]) == [
        "name", "type", "required", "default", "unit", "range", "doc", "symbol", "choices", "part", "options",
    ]  # fmt: skip

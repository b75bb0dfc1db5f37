"""The keys of a method, through the parts that it names; nothing is built, and no picture has to be there."""

from __future__ import annotations

import pytest

from maquette import registry
from maquette.config.keys import all_keys, compose_method, describe_key, describe_method, find_key, legal_values
from maquette.errors import ConfigError


@pytest.fixture(scope="module")
def dreamfusion():
    return compose_method("dreamfusion")


def test_a_key_leads_through_the_part_that_the_file_names(dreamfusion):
    here = find_key(dreamfusion, "stages.nerf.guidance.sds.objective.timesteps.high")
    assert here.option.range == "from 0 to 1" and here.value == [[0, 0.98], ["60%", 0.6]]


def test_a_part_at_a_key_has_its_own_options(dreamfusion):
    here = find_key(dreamfusion, "stages.nerf.guidance.sds.prior")
    assert (here.kind, here.part) == ("prior", "stable-diffusion")
    assert "view_dependent" in {option.name for option in here.options}


def test_a_part_that_goes_by_its_own_name_is_known_by_it(dreamfusion):
    assert find_key(dreamfusion, "stages.nerf.losses.opacity").part == "opacity"


def test_a_default_part_is_followed_where_the_file_has_none():
    gaussians = compose_method("dreamgaussian")
    assert find_key(gaussians, "stages.gaussians.geometry.densification.most").option.range == "at least 1"


def test_a_choice_of_a_group_changes_what_stands_behind_its_references():
    assert find_key(compose_method("dreamfusion", choices={"prior": "sdxl"}), "prior").part == "stable-diffusion-xl"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("stages.nref", "nerf"), ("stages.nerf.guidence", "guidance"), ("stages.nerf.geometry.levles", "levels")],
)
def test_an_unknown_key_names_the_nearest_and_the_line_above(dreamfusion, key, nearest):
    with pytest.raises(
        ConfigError, match=rf"{key}: this method has no such key \(.*\.yaml:\d+\); did you mean '{nearest}'"
    ):
        find_key(dreamfusion, key)


def test_all_keys_have_every_option_of_every_part_in_use(dreamfusion):
    keys = {here.key: here for here in all_keys(dreamfusion)}
    assert {
        "seed",
        "logger.type",
        "prior.dtype",
        "stages.nerf.loop.epsilon",
        "stages.export.exporters.mesh.formats",
    } <= keys.keys()
    assert legal_values(keys["stages.nerf.renderer"]) == registry.names("renderer")
    assert legal_values(keys["stages.nerf.loop.cudnn_benchmark"]) == ["true", "false"]
    assert legal_values(keys["logger.mode"]) == ["online", "offline", "disabled"]
    assert legal_values(keys["stages.nerf.steps"]) == []


def test_a_method_is_described_by_its_needs_choices_and_stages():
    facts = describe_method("magic123")
    assert facts["command"] == 'maquette run magic123 prompt="a red mug" image=mug.png'
    assert facts["choices"]["prior"].startswith("nano (of controlnet-canny")
    assert list(facts["stages"]) == ["word", "coarse", "fine", "export"]
    assert "guidance 3d: prior zero123, score cfg, objective sds" in facts["stages"]["coarse"]


def test_a_key_is_described_by_value_origin_and_legal_range():
    facts = describe_key("dreamfusion", "stages.nerf.steps")
    assert facts["value"] == 900 and facts["from"].startswith("configs/laptop/dreamfusion.yaml:")
    assert facts["summary"] == "optimiser steps; whole number, at least 1"
    assert describe_key("dreamfusion", "stages.nerf.loop.betas")["from"] == "default"

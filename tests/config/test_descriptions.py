"""Descriptions of parts: what is read of a Config and of the comments behind its fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import pytest

from maquette import plugins, registry
from maquette.annotations import Count, FovDeg, InputPath, NonNegative
from maquette.config.descriptions import describe_config, describe_part, field_docs, walk
from maquette.config.parts import GeometrySpec, LossSpec, part_field
from maquette.config.schedules import NonNegativeSchedule, Schedule
from maquette.errors import ConfigError


@dataclass(frozen=True)
class Lens:
    fov_y_deg: FovDeg = 40.0  # angle of view


@dataclass(frozen=True)
class Base:
    count: Count = 3  # how many
    metric: Literal["l1", "l2"] = "l1"  # difference of colours


@dataclass(frozen=True)
class Config(Base):
    path: InputPath = field(kw_only=True)  # a picture
    count: Count = 5
    weight: NonNegativeSchedule = Schedule(((0, 0.0), ("50%", 1.0)))  # lambda_o; at 0 nothing is computed
    distance: NonNegative = 1.5  # scene units
    lens: Lens = field(default_factory=Lens)
    lenses: dict[str, Lens] = field(default_factory=dict)  # by name
    geometry: GeometrySpec = part_field("geometry", "mesh", shape="box")
    losses: dict[str, LossSpec] = field(default_factory=dict)


OPTIONS = {option.name: option for option in describe_config(Config)}


def test_an_option_has_the_comment_behind_its_field_as_documentation():
    assert OPTIONS["path"].doc == "a picture"
    assert OPTIONS["weight"].doc == "lambda_o; at 0 nothing is computed"


def test_documentation_is_the_comment_behind_or_above_a_field_or_its_line_in_args():
    @dataclass(frozen=True)
    class Config:
        near: float = 0.1  # scene units
        # of the pictures
        size: int = 64
        plain: int = 0

    @dataclass(frozen=True)
    class Explained:
        """A Config with a docstring.

        Args:
            far: scene units, from the camera.
        """

        far: float = 4.0

    assert field_docs(Config) == {"near": "scene units", "size": "of the pictures"}
    assert field_docs(Explained) == {"far": "scene units, from the camera."}


def test_a_field_that_is_declared_anew_keeps_the_documentation_of_the_base():
    assert (OPTIONS["count"].doc, OPTIONS["count"].default) == ("how many", 5)


def test_defaults_are_in_the_terms_of_yaml():
    assert OPTIONS["path"].required and OPTIONS["path"].default is None
    assert OPTIONS["weight"].default == [[0, 0.0], ["50%", 1.0]]
    assert OPTIONS["lens"].default == {"fov_y_deg": 40.0}
    assert OPTIONS["geometry"].default["type"] == "mesh" and OPTIONS["geometry"].default["shape"] == "box"


def test_types_are_words():
    words = {name: option.type for name, option in OPTIONS.items()}
    assert words["count"] == "whole number" and words["weight"] == "number or schedule"
    assert words["metric"] == "one of l1, l2" and words["geometry"] == "geometry part"
    assert words["losses"] == "names, each with: loss part" and words["path"] == "path"


def test_ranges_units_symbols_and_choices_are_named():
    assert OPTIONS["count"].range == "at least 1"
    assert OPTIONS["distance"].unit == "scene units" and OPTIONS["lens"].options[0].unit == "degrees"
    assert OPTIONS["weight"].symbol == "lambda_o" and OPTIONS["count"].symbol == ""
    assert OPTIONS["metric"].choices == ("l1", "l2")
    assert OPTIONS["losses"].part == "loss" and OPTIONS["count"].part == ""


def test_nested_options_have_dotted_keys_with_a_star_for_names():
    assert {"lens.fov_y_deg", "lenses.*.fov_y_deg"} <= walk(describe_config(Config)).keys()


def test_a_source_is_told_apart_from_the_rest_of_the_docstring():
    part = describe_part("loss", "orientation")
    assert part.summary.startswith("Orientation loss: sum_i sg(w_i)")
    assert part.source.startswith("Verbin et al. 2022 (Ref-NeRF, arXiv 2112.03907)") and "Source" not in part.doc
    assert part.target == "maquette.losses.orientation:Orientation" and part.owner == "maquette"


def test_a_config_without_source_is_an_error_that_names_it():
    config = dataclasses.make_dataclass("Made", [("size", int, 3)])
    with pytest.raises(ConfigError, match=r"Made cannot be read"):
        describe_config(config)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_part_is_described_with_all_fields_of_its_config(kind):
    plugins.load()
    for name in registry.names(kind):
        part = describe_part(kind, name)
        fields = [field.name for field in dataclasses.fields(registry.get(kind, name).Config) if field.init]
        assert part.summary and [option.name for option in part.options] == fields

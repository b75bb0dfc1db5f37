"""`NAME.key=value` words over the settings of parts."""

from __future__ import annotations

import pytest

from maquette.config.parts import ExporterSpec
from maquette.errors import ConfigError
from maquette.runs.part_words import configure_parts, default_settings


def test_words_change_settings_and_leave_parts_out():
    parts = {"points": default_settings("exporter", "points"), "mesh": default_settings("exporter", "mesh")}
    chosen = configure_parts(ExporterSpec, parts, ["points.count=12", "points={seed: 3}", "~mesh"])
    assert list(chosen) == ["points"] and (chosen["points"].config.count, chosen["points"].config.seed) == (12, 3)
    assert parts["points"]["count"] == 50_000 and "mesh" in parts


def test_settings_without_a_default_are_asked_for():
    assert default_settings("metric", "r-precision") == {"type": "r-precision"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "point.count=1",
            r"point.count: there is nothing of this name here; did you mean 'points.count'\? possible: ",
        ),
        ("points.cuont=1", r"points.cuont: unknown key"),
        ("points.count=0", r"points.count: "),
        ("points", r"not an override: 'points'"),
    ],
)
def test_what_is_wrong_names_the_key_and_what_is_possible(word, message):
    with pytest.raises(ConfigError, match=message):
        configure_parts(ExporterSpec, {"points": default_settings("exporter", "points")}, [word])

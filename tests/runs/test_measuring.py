"""A run is measured anew by metrics, which adds to what was measured before."""

from __future__ import annotations

import json
import math

import pytest
import trimesh

from maquette.errors import ConfigError
from maquette.metrics.base import Case
from maquette.runs.measures import read_measures
from maquette.runs.measuring import (
    case_of,
    chosen_metrics,
    measure_run,
    self_sufficient_metrics,
)
from maquette.stages.finished import newest_scene

SMALLER = [
    "mesh-health.resolution=16", "self-intersections.resolution=16", "reprojection.size=32", "reprojection.views=4",
    "round-trip.resolution=16", "round-trip.texture_size=32", "round-trip.size=32", "round-trip.views=2",
]  # fmt: skip
"""Settings under which every metric that needs nothing else takes a moment."""


def test_a_mesh_is_measured_and_the_values_are_written(finished):
    metrics = chosen_metrics([], SMALLER)
    measures = measure_run(finished, metrics, Case("a red mug"))
    written = json.loads((finished.path / "measures.json").read_text())["mesh-health"]
    assert measures.values["mesh-health/components"] == written["values"]["components"] >= 1
    assert written["better"]["components"] == "lower" and written["settings"]["resolution"] == 16
    assert (written["stage"], written["step"], written["prompt"]) == ("nerf", 2, "a red mug")


def test_the_distance_to_the_surface_itself_is_small_and_other_metrics_stay(finished):
    """The truth is the surface that is measured, so that what is left is the difference of two samplings of it."""
    measure_run(finished, chosen_metrics(["mesh-health"], ["mesh-health.resolution=12"]), Case("a red mug"))
    surface = newest_scene(finished).scene.surface(12)
    trimesh.Trimesh(surface.vertices, surface.faces).export(finished.path / "truth.ply")
    case, rest = case_of(finished, [f"truth={{type: files, surface: {finished.path / 'truth.ply'}}}"])
    metrics = chosen_metrics(
        ["surface-distance"], [*rest, "surface-distance.resolution=12", "surface-distance.samples=20000"]
    )
    values = measure_run(finished, metrics, case).values
    assert set(read_measures(finished)) == {"mesh-health", "surface-distance"}
    assert all(math.isfinite(value) for value in values.values())
    assert values["surface-distance/chamfer"] < 0.03


def test_a_metric_without_its_truth_says_how_to_give_it(finished):
    with pytest.raises(ConfigError, match=r"has no truth to compare with.*truth: "):
        measure_run(finished, chosen_metrics(["surface-distance"]), Case("a red mug"))
    assert not (finished.path / "measures.json").exists()


def test_metrics_that_need_nothing_else_are_the_default():
    names = self_sufficient_metrics()
    assert "mesh-health" in names and "reprojection" in names
    assert not {"surface-distance", "r-precision", "janus", "refview"} & set(names)


def test_what_is_wrong_names_the_metric_and_the_key():
    with pytest.raises(ConfigError, match=r"no metric 'mesh-helth'; did you mean 'mesh-health'\?"):
        chosen_metrics(["mesh-helth"])
    with pytest.raises(ConfigError, match=r"r-precision.captions: missing value; give it as r-precision.captions="):
        chosen_metrics(["r-precision"])
    with pytest.raises(ConfigError, match=r"janus.views: there is nothing of this name here"):
        chosen_metrics(["mesh-health"], ["janus.views=3"])


def test_labels_and_truth_are_of_the_case_and_other_words_of_the_metrics(finished):
    case, rest = case_of(finished, ["labels={category: mug}", "janus.views=4"])
    assert case == Case("a red mug", {"category": "mug"}) and rest == ["janus.views=4"]
    with pytest.raises(ConfigError, match="truth"):
        case_of(finished, ["truth={type: nowhere}"])


def test_a_broken_file_of_measures_counts_as_none(finished):
    (finished.path / "measures.json").write_text("[1")
    assert read_measures(finished) == {}

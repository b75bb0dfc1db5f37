"""`maquette list`, as a user types it."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from maquette import plugins, registry
from maquette.cli.app import app


def listed(*words: str) -> dict:
    result = CliRunner().invoke(app, ["list", *words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_list_has_methods_with_summaries_and_the_names_of_all_parts():
    everything = listed()
    owners = {method["name"]: method["owner"] for method in everything["methods"]}
    assert owners["perp-neg"] == "maquette"
    assert all(method["summary"] for method in everything["methods"])
    assert everything["parts"]["score"] == registry.names("score")


def test_a_kind_goes_by_its_singular_and_its_plural():
    assert listed("loss") == listed("losses")
    assert listed("metrics")["metric"] == listed("metric")["metric"]


def test_a_summary_is_the_first_line_of_the_docstring_whether_or_not_the_part_is_imported():
    plugins.load()
    for kind in ("score", "dataset"):
        before = {entry["name"]: entry["summary"] for entry in listed(kind)[kind]}
        assert before == {
            name: registry.get(kind, name).__doc__.strip().split("\n")[0] for name in registry.names(kind)
        }


def test_a_part_of_a_plugin_has_its_owner():
    owners = {entry["name"]: entry["owner"] for entry in listed("datasets")["dataset"]}
    assert owners["nano-world"] == "maquette-nano" and owners["picture"] == "maquette"


def test_a_part_is_listed_with_what_it_goes_together_with():
    text = CliRunner().invoke(app, ["list", "losses"], env={"COLUMNS": "200"}).output
    assert re.search(r"curvature .*\n.*goes with renderers volume, patch; geometry sdf-grid", text)


def test_the_files_that_are_chosen_by_a_kinds_name_stand_below_its_parts():
    text = CliRunner().invoke(app, ["list", "priors"], env={"COLUMNS": "400"}).output
    assert re.search(r"prior= +.*\bnano-mvdream, .*\bsd15, ", text)
    assert "choices" not in listed("losses")


def test_few_missing_partners_are_named_instead_of_many_fitting_ones():
    text = CliRunner().invoke(app, ["list", "priors"], env={"COLUMNS": "200"}).output
    assert re.search(r"stable-diffusion-xl .*\n.*goes with scores all but cfg-two", text)


@pytest.mark.parametrize("word", ["lossess", "metods"])
def test_an_unknown_kind_names_the_nearest(word):
    result = CliRunner().invoke(app, ["list", word])
    assert result.exit_code == 2 and "did you mean" in result.output


def test_a_broken_file_does_not_end_the_list(tmp_path, monkeypatch):
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "broken.yaml").write_text("name: [\nsummary: x")
    monkeypatch.setattr(plugins, "config_folders", lambda: {tmp_path: "acme"})
    entries = {entry["name"]: entry["summary"] for entry in listed()["methods"]}
    assert entries["broken"].startswith("(cannot be read: ") and entries["dreamfusion"].startswith("text to 3D")

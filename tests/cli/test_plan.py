"""`maquette plan`, as a user types it."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from maquette.cli.app import app


def call(*words: str):
    return CliRunner().invoke(app, ["plan", *words], env={"COLUMNS": "150"})


def test_a_plan_needs_no_prompt_and_says_what_it_does_not_know(tmp_path):
    text = call("dreamfusion", f"output={tmp_path}").output
    assert "to download: nothing" in text and "time: unknown" in text and "geometry 318,764" in text


def test_a_plan_needs_no_picture_and_names_what_would_be_downloaded(tmp_path):
    text = call("zero123", "prior=zero123-xl", f"output={tmp_path}").output
    assert "to download: ashawkey/zero123-xl-diffusers (sizes unknown here)" in text


def test_a_plan_as_json_has_stages_and_weights(tmp_path):
    facts = json.loads(call("dreamfusion", f"output={tmp_path}", "--json").output)
    assert [stage["name"] for stage in facts["stages"]] == ["nerf", "export"] and facts["seconds"] is None
    assert facts["weights"][0]["path"] == "nano-text"


def test_a_mistyped_key_is_named():
    result = call("dreamfusion", "stages.nerf.stpes=3")
    assert result.exit_code == 2 and "did you mean 'steps'" in result.output

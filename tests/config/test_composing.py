"""The merged files of a method, for whoever looks at it without running it."""

from __future__ import annotations

from maquette.config.composing import compose_method


def test_what_the_user_has_to_give_is_named():
    assert compose_method("magic123").required == ("prompt", "image")


def test_a_method_is_merged_from_its_files_and_those_of_its_choices():
    method = compose_method("perp-neg", choices={"prior": "sd15"})
    assert [path.parent.name + "/" + path.stem for path in method.files] == [
        "methods/dreamfusion", "methods/perp-neg", "laptop/dreamfusion", "laptop/perp-neg", "priors/sd15",
    ]  # fmt: skip
    assert method.groups == {"prior": "sd15"} and method.data["prior"]["size"] == 512


def test_references_are_filled_in():
    method = compose_method("dreamfusion")
    assert method.data["stages"]["nerf"]["guidance"]["sds"]["prior"] == method.data["prior"]

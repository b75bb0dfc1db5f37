"""Methods that are looked at without the picture or data that they need."""

from __future__ import annotations

import pytest
import yaml

from maquette.config.stand_ins import load_with_stand_ins, text_with_stand_ins


@pytest.mark.parametrize(
    ("method", "key"),
    [("dreamfusion", "prompt"), ("zero123", "image"), ("fit-multiview", "data"), ("deep3d", "")],
)
def test_what_a_method_needs_has_a_stand_in_and_nothing_else_has(method, key, tmp_path):
    text = text_with_stand_ins(load_with_stand_ins(method, [], tmp_path), tmp_path)
    loaded = yaml.safe_load(text)
    named = {name: value for name, value in loaded.items() if str(value).startswith("(your ")}
    assert named == ({key: f"(your {key})"} if key else {}) and str(tmp_path) not in text

"""The cache of what completion offers."""

from __future__ import annotations

import pytest

from maquette.cli import key_cache
from maquette.config import paths


@pytest.fixture(autouse=True)
def nothing_in_the_background(monkeypatch):
    monkeypatch.setattr(key_cache, "_fill_in_background", lambda method: None)


def test_the_cache_is_for_the_code_and_the_files_that_it_was_made_of(tmp_path):
    method = tmp_path / "mine.yaml"
    method.write_text("extends: dreamfusion\nstages: {nerf: {steps: 5}}\n")
    key_cache.fill(str(method))
    assert "stages.nerf.loop.epsilon" in key_cache.completion_keys(str(method))
    method.write_text("extends: dreamfusion\nstages: {nerf: {steps: 6}}\n")
    assert "stages.nerf.loop.epsilon" not in key_cache.completion_keys(str(method))


def test_a_broken_cache_is_none():
    key_cache.fill("dreamfusion")
    key_cache._file("keys/dreamfusion").write_text("{")
    assert "stages.nerf.steps" in key_cache.completion_keys("dreamfusion")


def test_names_of_configs_are_remembered_until_a_folder_changes(monkeypatch, tmp_path):
    (tmp_path / "methods").mkdir()
    monkeypatch.setattr(paths, "config_roots", lambda: [tmp_path])
    assert key_cache.config_names("methods") == []
    (tmp_path / "methods" / "mine.yaml").touch()
    assert key_cache.config_names("methods") == ["mine"]

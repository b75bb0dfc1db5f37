"""The manifest of a run: what it takes to reproduce it."""

import json
import platform
from importlib.metadata import version

from maquette.training.manifest import machine, peak_memory_mb, read_manifest, revision, versions, write_manifest


def test_versions_are_those_that_are_installed():
    found = versions()
    assert found["python"] == platform.python_version() and found["torch"] == version("torch")
    assert {"maquette", "maquette-nano", "numpy"} <= found.keys()


def test_facts_are_added_to_a_manifest_and_replace_those_of_the_same_name(tmp_path):
    path = tmp_path / "manifest.json"
    write_manifest(path, prompt="a mug 🦊", seed=1)
    write_manifest(path, seed=2, finished_stages=["nerf"])
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert (manifest["prompt"], manifest["seed"], manifest["finished_stages"]) == ("a mug 🦊", 2, ["nerf"])
    assert manifest["owner"] and [file.name for file in tmp_path.iterdir()] == ["manifest.json"]


def test_a_manifest_that_is_missing_or_broken_is_empty(tmp_path):
    path = tmp_path / "manifest.json"
    assert read_manifest(path) == {}
    for text in ("{", "[1]", "", "\ufeff{}"):
        path.write_text(text)
        assert read_manifest(path) == {}
    write_manifest(path, seed=1)
    assert read_manifest(path)["seed"] == 1


def test_the_machine_and_its_memory_are_told():
    facts = machine()
    assert facts["cores"] >= 1 and facts["threads"] >= 1 and facts["system"] == platform.platform()
    assert facts["instruction_set"] and facts["numba_target"] and facts["dtype"] == "float32"
    assert 10 < peak_memory_mb() < 1e6


def test_a_revision_marks_uncommitted_changes():
    found = revision()
    assert found is None or len(found.removesuffix("+")) == 40


def test_only_a_run_that_begins_here_claims_its_folder(tmp_path):
    write_manifest(tmp_path / "resumed.json", claim=False, method="tiny")
    write_manifest(tmp_path / "begun.json", method="tiny")
    assert "owner" not in read_manifest(tmp_path / "resumed.json")
    assert read_manifest(tmp_path / "begun.json")["owner"]

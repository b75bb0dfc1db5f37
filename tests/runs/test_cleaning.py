"""Runs are deleted by rules; links, locked runs and everything outside the folder stay."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from maquette.errors import ConfigError, RunError
from maquette.files import sole_writer
from maquette.runs.cleaning import Rules, delete_run, list_runs, parse_age
from maquette.runs.folders import summarise_run
from maquette.training.manifest import write_manifest
from maquette.training.run_folder import RunFolder

DAY = 86_400.0


def begun(output: Path, prompt: str, days: float = 0.0, finished: bool = True) -> Path:
    run = RunFolder.create(str(output), "tiny", prompt, "{}")
    run.write_state({"finished": ["nerf"] if finished else [], "config": {"stages": {"nerf": {}}}})
    write_manifest(run.manifest, method="tiny", prompt=prompt)
    (run.checkpoints / "nerf").mkdir()
    (run.checkpoints / "nerf" / "model").write_bytes(b"x" * 5000)
    (run.export / "mesh.glb").write_bytes(b"x")
    then = time.time() - days * DAY
    for file in (run.config, run.state, run.manifest):
        os.utime(file, (then, then))
    return run.path


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Three runs: an old one, an old one that was stopped, and one of today."""
    folder = tmp_path / "outputs"
    begun(folder, "old", 40)
    begun(folder, "old stopped", 50, finished=False)
    begun(folder, "new", 0.5)
    return folder


@pytest.mark.parametrize(
    ("rules", "prompts"),
    [
        (Rules(), set()),
        (Rules(older_than_days=30), {"old", "old stopped"}),
        (Rules(older_than_days=45), {"old stopped"}),
        (Rules(unfinished=True), {"old stopped"}),
        (Rules(older_than_days=60, unfinished=True), set()),
        (Rules(keep_last=1), {"old", "old stopped"}),
        (Rules(keep_last=2, older_than_days=1), {"old stopped"}),
        (Rules(keep_last=0), {"old", "old stopped", "new"}),
        (Rules(checkpoints_only=True), {"old", "new"}),
        (Rules(checkpoints_only=True, unfinished=True), {"old stopped"}),
    ],
)
def test_a_run_is_chosen_if_all_rules_name_it(rules, prompts, outputs):
    assert {run.prompt for run in rules.select(list_runs(outputs))} == prompts


def test_a_deleted_run_takes_the_folders_along_that_held_it_alone(outputs):
    run = summarise_run(next((outputs / "tiny" / "old").iterdir()))
    delete_run(run, outputs)
    assert {path.name for path in (outputs / "tiny").iterdir()} == {"old-stopped", "new"}


def test_the_folder_of_all_runs_stays_when_the_last_run_goes(tmp_path):
    run = begun(tmp_path / "outputs", "a mug")
    delete_run(summarise_run(run), tmp_path / "outputs")
    assert list((tmp_path / "outputs").iterdir()) == []


def test_without_its_checkpoints_a_run_keeps_its_files(outputs):
    path = next((outputs / "tiny" / "old").iterdir())
    delete_run(summarise_run(path), outputs, checkpoints_only=True)
    assert not (path / "checkpoints").exists() and (path / "export" / "mesh.glb").is_file()
    assert summarise_run(path) in list_runs(outputs) and not summarise_run(path).checkpoint_size


def test_links_are_not_followed_out_of_the_folder(outputs, tmp_path):
    elsewhere = begun(tmp_path / "elsewhere", "mine")
    (outputs / "tiny" / "old" / "link").symlink_to(elsewhere, target_is_directory=True)
    inside = next(path for path in (outputs / "tiny" / "new").iterdir())
    (inside / "checkpoints" / "link").symlink_to(elsewhere, target_is_directory=True)
    for run in list_runs(outputs):
        delete_run(run, outputs)
    assert (elsewhere / "checkpoints" / "nerf" / "model").is_file()
    with pytest.raises(ValueError, match="does not lie in"):
        delete_run(summarise_run(elsewhere), outputs)
    link = outputs / "tiny" / "old" / "link"
    with pytest.raises(ValueError, match="does not lie in"):
        delete_run(summarise_run(link), outputs)


def test_a_run_that_is_being_written_stays(outputs):
    (path,) = (outputs / "tiny" / "old").iterdir()
    summary = summarise_run(path)
    with sole_writer(path, "run"):
        assert path not in [run.path for run in Rules(keep_last=0).select(list_runs(outputs))]
        with pytest.raises(RunError, match="being written"):
            delete_run(summary, outputs)
    with sole_writer(outputs / "tiny", "sweep"), pytest.raises(RunError, match="being written"):
        delete_run(summary, outputs)
    assert (path / "config.yaml").is_file()


@pytest.mark.parametrize(("text", "days"), [("12h", 0.5), ("30d", 30), ("1.5w", 10.5), ("2y", 730.5)])
def test_an_age_is_a_number_with_a_unit(text, days):
    assert parse_age(text) == days


@pytest.mark.parametrize("text", ["30", "d", "-3d", "3 months"])
def test_what_is_no_age_is_refused(text):
    with pytest.raises(ConfigError, match=r"older-than: .* is no age; give a number with h, d, w or y"):
        parse_age(text)


def test_folders_of_other_programs_are_no_runs(tmp_path):
    other = tmp_path / "project"
    (other / "checkpoints").mkdir(parents=True)
    (other / "config.yaml").write_text("lr: 1e-4")
    assert list_runs(tmp_path) == []


def test_a_run_in_a_sweep_that_goes_on_stays_when_the_folder_is_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = summarise_run(begun(tmp_path / "outputs/sweeps/s", "mug").relative_to(tmp_path))
    with sole_writer(Path("outputs/sweeps/s"), "sweep"), pytest.raises(RunError, match="being written"):
        delete_run(run, Path("outputs"))
    assert run.path.is_dir()

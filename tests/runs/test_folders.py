"""Runs are found by folder or as the last one, and listed with how far they came."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maquette.errors import ConfigError
from maquette.files import sole_writer
from maquette.runs.folders import find_run, find_runs, folder_size, in_use, run_paths, run_state, summarise_run
from maquette.training.manifest import write_manifest
from maquette.training.run_folder import RunFolder

STAGES = {"stages": {"nerf": {}, "export": {}}}


def begun(output: Path, prompt: str, age: float = 0.0, finished: tuple[str, ...] = ("nerf", "export")) -> RunFolder:
    """A run of that prompt, begun `age` seconds ago, whose stages so far are finished."""
    run = RunFolder.create(str(output), "tiny", prompt, "{}")
    run.write_state({"finished": list(finished), "config": STAGES})
    write_manifest(run.manifest, method="tiny", prompt=prompt)
    then = time.time() - age
    for file in (run.config, run.state, run.manifest):
        os.utime(file, (then, then))
    return run


def test_last_is_the_run_that_was_begun_last_wherever_below_the_outputs(tmp_path):
    begun(tmp_path, "a mug", age=5)
    newest = begun(tmp_path / "sweeps" / "s" / "job", "a cat", age=1)
    begun(tmp_path, "a dog", age=9)
    assert find_run("last", tmp_path).path == newest.path


def test_without_any_run_last_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="there is no run in"):
        find_run("last", tmp_path)


def test_a_folder_that_holds_one_run_stands_for_it_and_one_of_several_does_not(tmp_path):
    run = begun(tmp_path / "one", "a mug")
    assert find_run(str(tmp_path / "one")).path == find_run(str(run.path)).path == run.path
    begun(tmp_path / "one", "a cat")
    with pytest.raises(ConfigError, match=r"holds 2 runs; give one of them, such as .*a-mug"):
        find_run(str(tmp_path / "one"))


def test_a_name_of_no_folder_is_an_error_with_the_nearest_run(tmp_path):
    run = begun(tmp_path, "a mug")
    with pytest.raises(ConfigError, match="did you mean"):
        find_run(f"{run.path}x", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"not a run folder \(no config.yaml\)"):
        find_run(str(tmp_path / "empty"))


def test_a_folder_of_several_runs_stands_for_all_of_them_once(tmp_path):
    one, other = begun(tmp_path / "suite" / "a", "a mug"), begun(tmp_path / "suite" / "b", "a cat")
    assert [run.path for run in find_runs([str(tmp_path / "suite"), str(one.path)])] == [one.path, other.path]


def test_links_and_hidden_folders_hold_no_runs(tmp_path):
    elsewhere = begun(tmp_path / "elsewhere", "a mug")
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "link").symlink_to(elsewhere.path, target_is_directory=True)
    begun(outputs / ".hidden", "a cat")
    assert list(run_paths(outputs)) == []


@pytest.mark.parametrize(("finished", "state"), [(("nerf", "export"), "finished"), (("nerf",), "unfinished")])
def test_a_run_is_finished_when_all_its_stages_are(finished, state, tmp_path):
    assert run_state(begun(tmp_path, "a mug", finished=finished)) == state


def test_a_run_with_a_damaged_state_is_broken(tmp_path):
    run = begun(tmp_path, "a mug")
    run.state.write_text("{")
    assert summarise_run(run.path).state == "broken"


def test_a_locked_run_is_running_and_so_is_what_stands_in_a_locked_sweep(tmp_path):
    run = begun(tmp_path / "sweep" / "job", "a mug")
    assert not in_use(run.path) and list(run.path.glob(".*")) == []
    with sole_writer(run.path, "run"):
        assert run_state(run) == "running" and in_use(run.path)
    with sole_writer(tmp_path / "sweep", "sweep"):
        assert run_state(run) == "finished" and in_use(run.path)


def test_a_summary_has_size_and_age(tmp_path):
    run = begun(tmp_path, "a mug", age=2 * 86_400)
    (run.checkpoints / "weights").write_bytes(b"x" * 1000)
    (run.export / "link").symlink_to("/etc/hostname")
    summary = summarise_run(run.path)
    assert (summary.method, summary.prompt, summary.checkpoint_size) == ("tiny", "a mug", 1000)
    assert summary.size == folder_size(run.path) > 1000 and 1.9 < summary.age_days < 2.1


def test_lists_and_comparisons_of_runs_load_no_torch():
    code = (
        "import sys, maquette.runs.cleaning, maquette.runs.comparing, maquette.runs.page\n"
        "assert not {'torch', 'numba', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""The command `maquette resume`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from command_line import run_folder
from maquette.cli.app import app
from tiny_run import tiny_method


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    return run_folder("run", str(tiny_method(folder)), "prompt=a mug", f"output={folder / 'outputs'}")


def contents(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_the_outcome_of_a_finished_run_is_printed_and_it_is_left_as_it_is(finished):
    before = contents(finished)
    result = CliRunner().invoke(app, ["resume", str(finished)])
    assert result.exit_code == 0 and "all stages of this run are finished" in result.output
    assert f"done: {finished}" in result.output and contents(finished) == before


def test_a_finished_run_without_checkpoints_keeps_what_it_logged(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run, ignore=shutil.ignore_patterns("step-*"))
    row = '{"stage": "nerf", "step": 1, "loss": 0.5}\n'
    (run / "metrics.jsonl").write_text(row)
    result = CliRunner().invoke(app, ["resume", str(run)])
    assert result.exit_code == 0 and (run / "metrics.jsonl").read_text() == row


def test_last_is_the_newest_run_under_outputs(finished, monkeypatch):
    monkeypatch.chdir(finished.parents[3])
    result = CliRunner().invoke(app, ["resume", "last"])
    assert result.exit_code == 0 and str(finished.relative_to(Path.cwd())) in result.output


@pytest.mark.parametrize("command", ["run", "train"])
def test_run_and_train_have_no_option_to_resume(command, finished):
    result = CliRunner().invoke(app, [command, "--resume", str(finished)])
    assert result.exit_code == 2 and "No such option" in result.output


def test_what_is_no_run_is_one_line(tmp_path):
    result = CliRunner().invoke(app, ["resume", str(tmp_path)])
    assert result.exit_code == 2 and "not a run folder" in result.output and "Traceback" not in result.output

"""The command `maquette clean` lists, asks, and deletes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.training.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stopped run in the folder `outputs` of the working folder."""
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create("outputs", "tiny", "a red mug", "{}")
    run.write_state({"finished": [], "config": {"stages": {"nerf": {}}}})
    (run.checkpoints / "model").write_bytes(b"x" * 3 * 2**20)
    return tmp_path / run.path


def call(*words: str, answer: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["clean", *words], input=answer, env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_without_rules_runs_are_listed_and_nothing_is_asked(run):
    code, output = call()
    assert code == 0 and run.is_dir()
    row = next(line for line in output.splitlines() if "outputs/tiny/a-red-mug/" in line)
    assert {"tiny", "unfinished", "3.0"} <= set(row.split()) and "1 run, 3.0 MB" in output


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_a_no_deletes_nothing(answer, run):
    code, output = call("--unfinished", answer=answer)
    assert code == 0 and "delete 1 of 1 run, 3.0 MB? [y/N]" in output and "nothing was deleted" in output
    assert run.is_dir()


@pytest.mark.parametrize(("words", "answer"), [(("--unfinished",), "y\n"), (("--keep-last", "0", "--yes"), "")])
def test_a_yes_deletes(words, answer, run):
    code, output = call(*words, answer=answer)
    assert code == 0 and "deleted 1 run" in output and not run.exists()


def test_without_an_answer_nothing_is_deleted(run):
    code, _ = call("--unfinished")
    assert code == 1 and run.is_dir()


def test_rules_that_name_no_run_say_so(run):
    code, output = call("--older-than", "30d")
    assert code == 0 and output == "the rules name none of 1 run, 3.0 MB\n" and run.is_dir()


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    code, output = call(str(tmp_path / "nowhere"))
    assert code == 2 and "there is no folder" in output and "Traceback" not in output

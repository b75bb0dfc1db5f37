"""Results as runs of W&B and back, without a network."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
from typer.testing import CliRunner

from board_records import put, values
from maquette.bench.records import find_records, read_record
from maquette.bench.wandb_pull import inspect_run
from maquette.bench.wandb_push import push_results, run_id_of
from maquette.cli.app import app
from maquette.errors import MissingDependency


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    wandb.teardown()  # W&B reads the environment once in a process, and another test may have made it


@pytest.fixture
def one_method(results: Path) -> Iterator[Path]:
    """The records of one method of the tiny suite: two cases, with meshes and pictures."""
    for name in ("other", "oracle", "trivial"):
        shutil.rmtree(results / "pictures@1" / name)
    yield results


@pytest.mark.slow
def test_results_pushed_offline_come_back_with_their_predictions(one_method, tmp_path, offline):
    folder = tmp_path / "wandb"
    words = ["leaderboard", "push", str(one_method), "--wandb", "--folder", str(folder)]
    assert "2 runs pushed, 0 were there" in CliRunner().invoke(app, words).output
    assert "0 runs pushed, 2 were there" in CliRunner().invoke(app, words).output
    wandb.teardown()  # as at the end of a process: only then has W&B's service written all that it was told
    logs = sorted(folder.rglob("run-*.wandb"))
    records = {run_id_of(record): record for record in map(read_record, find_records(one_method))}
    assert {log.stem.removeprefix("run-") for log in logs} == set(records)
    for log in logs:
        facts, record = inspect_run(log), records[log.stem.removeprefix("run-")]
        assert {name: facts["summary"][name] for name in record.values} == record.values
        assert {"views", "mesh", "turntable"} <= set(facts["summary"])
    assert any((folder / "artifacts").rglob("*"))  # and not outside, where a copy of the folder would miss them

    moved = shutil.move(folder, tmp_path / "moved")
    pulled = tmp_path / "pulled"
    done = CliRunner().invoke(
        app, ["leaderboard", "pull", "--wandb-offline", str(moved), "--results", str(pulled)]
    )  # fmt: skip
    assert "2 written, 0 there, 0 refused" in done.output, done.output
    for path in find_records(one_method):
        copy = pulled / path.relative_to(one_method)
        assert read_record(copy) == read_record(path)
        for name in read_record(path).predictions:
            assert (copy.parent / name).read_bytes() == (path.parent / name).read_bytes()
    again = CliRunner().invoke(app, ["leaderboard", "pull", "--wandb-offline", str(moved), "--results", str(pulled)])
    assert "0 written, 2 there, 0 refused" in again.output


def test_another_attempt_of_a_unit_is_the_same_run(tmp_path):
    failed = put(tmp_path / "a", "mine", "a mug", {}, error="it fell", kind="other")
    done = put(tmp_path / "b", "mine", "a mug", values(20.0))
    other = put(tmp_path / "b", "mine", "a mug", values(20.0), seed=1)
    assert run_id_of(failed) == run_id_of(done) != run_id_of(other)


def test_without_wandb_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingDependency, match=r"pip install 'maquette\[wandb\]'"):
        list(push_results(tmp_path, tmp_path))


def test_push_and_pull_ask_where_to():
    assert "give --wandb" in CliRunner().invoke(app, ["leaderboard", "push", "r"]).output
    assert "--wandb-offline FOLDER" in CliRunner().invoke(app, ["leaderboard", "pull"]).output

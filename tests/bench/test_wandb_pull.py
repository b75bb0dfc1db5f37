"""Records out of W&B's answers: what was changed is refused, what is there stays."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from board_records import put, values
from maquette.bench.records import find_records, read_record
from maquette.bench.wandb_pull import pull_offline, pull_project
from maquette.errors import ConfigError


@dataclass
class StoredFile:
    """A file as the public API answers: `wandb.apis.public.File`."""

    name: str
    source: Path

    def download(self, root: str, replace: bool) -> None:
        (Path(root) / self.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.source, Path(root) / self.name)


@dataclass
class StoredRun:
    """A run as the public API answers: `wandb.apis.public.Run`."""

    name: str
    config: dict[str, Any]
    stored: list[StoredFile] = field(default_factory=list)

    def files(self) -> list[StoredFile]:
        return self.stored


@dataclass
class StoredAnswers:
    """The answers of `wandb.Api().runs`."""

    answers: list[StoredRun]

    def runs(self, path: str, filters: dict[str, str]) -> list[StoredRun]:
        assert (path, filters) == ("me/boards", {"jobType": "result"})
        return self.answers


def answer(record, *files: StoredFile) -> StoredRun:
    return StoredRun(f"run of {record.case}", {"record": json.dumps(dataclasses.asdict(record))}, list(files))


def test_records_come_back_with_the_predictions_whose_hashes_they_name(results, tmp_path):
    path = next(path for path in find_records(results) if read_record(path).predictions.get("mesh.glb"))
    record = read_record(path)
    files = [
        StoredFile("media/mesh_0.glb", path.parent / "mesh.glb"),
        StoredFile("media/x.png", path.parent / "views.png"),
    ]
    pulled = list(pull_project("me/boards", tmp_path / "pulled", StoredAnswers([answer(record, *files)])))
    assert [one.state for one in pulled] == ["written"] and not pulled[0].message
    copy = tmp_path / "pulled" / path.relative_to(results)
    assert (
        read_record(copy) == record
        and (copy.parent / "mesh.glb").read_bytes() == (path.parent / "mesh.glb").read_bytes()
    )


def test_a_prediction_that_is_not_there_is_named(results, tmp_path):
    path = next(path for path in find_records(results) if read_record(path).predictions.get("mesh.glb"))
    (one,) = pull_project("me/boards", tmp_path / "pulled", StoredAnswers([answer(read_record(path))]))
    assert one.state == "written" and "mesh.glb" in one.message


def test_a_changed_record_and_another_one_for_a_unit_are_refused(tmp_path):
    record = put(tmp_path / "r", "mine", "a mug", values(20.0))
    forged = dataclasses.replace(record, values=values(39.0))
    other = dataclasses.replace(record, values=values(39.0)).sealed()
    pulled = list(
        pull_project("me/boards", tmp_path / "r", StoredAnswers([answer(forged), answer(record), answer(other)]))
    )
    assert [one.state for one in pulled] == ["refused", "there", "refused"]
    assert (
        "its digest is not that of its content" in pulled[0].message and "there is another record" in pulled[2].message
    )


def test_a_prediction_whose_name_leads_out_of_its_folder_is_not_written(tmp_path):
    record = put(tmp_path / "r", "mine", "a mug", values(20.0), predictions={"../../evil.png": "0" * 64})
    (one,) = pull_project("me/boards", tmp_path / "pulled", StoredAnswers([answer(record)]))
    assert "../../evil.png is not there" in one.message and not list((tmp_path / "pulled").rglob("evil.png"))


def test_a_record_whose_place_leads_out_of_the_results_is_refused(tmp_path):
    record = put(tmp_path / "r", "mine", "a mug", values(20.0))
    forged = [
        dataclasses.replace(record, **change).sealed()
        for change in ({"suite": str(tmp_path / "evil@1")}, {"suite": ".."}, {"config_hash": "../../../evil"})
    ]
    pulled = list(pull_project("me/boards", tmp_path / "p", StoredAnswers([answer(one) for one in forged])))
    assert [one.state for one in pulled] == ["refused"] * 3 and "its suite is not" in pulled[0].message
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_what_is_no_project_or_no_folder_of_runs_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="entity/project"):
        list(pull_project("boards", tmp_path, StoredAnswers([])))
    with pytest.raises(ConfigError, match="there are no runs of wandb"):
        list(pull_offline(tmp_path, tmp_path / "results"))

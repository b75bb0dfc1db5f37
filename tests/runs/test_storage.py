"""Folders in object storage: what one machine made is there for another, and nothing newer is lost."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from maquette.bench.records import read_record
from maquette.bench.running import run_suite
from maquette.bench.suites import load_suite
from maquette.errors import ConfigError, RunError
from maquette.runs.storage import COPY_FILE, INDEX_FILE, Storage, synced
from tiny_suite import write_suite


@pytest.fixture
def machines(tmp_path: Path) -> tuple[tuple[Storage, Path], tuple[Storage, Path]]:
    """Two machines with disks of their own, and their folder of one run."""
    url = (tmp_path / "bucket").as_uri()
    one, other = ((Storage(url, tmp_path / name), tmp_path / name / "runs" / "mug") for name in ("one", "other"))
    return one, other


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != COPY_FILE)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_a_folder_arrives_on_another_machine_and_goes_back_changed(machines):
    (one, here), (other, there) = machines
    write(here, state="1", checkpoints_a="weights")
    one.push(here)
    assert other.pull(there) and contents(there) == {"state": "1", "checkpoints/a": "weights"}
    assert not other.pull(there)
    write(there, state="2", checkpoints_b="more")
    (there / "checkpoints" / "a").unlink()
    other.push(there)
    assert one.pull(here) and contents(here) == {"state": "2", "checkpoints/b": "more"}


def test_what_was_made_here_since_the_last_copy_is_not_overwritten(machines):
    (one, here), _ = machines
    write(here, state="1")
    one.push(here)
    write(here, state="2")
    assert not one.pull(here) and contents(here) == {"state": "2"}


def test_an_equal_folder_is_not_copied_again(machines, tmp_path):
    (one, here), _ = machines
    write(here, state="1")
    one.push(here)
    index = tmp_path / "bucket" / "runs" / "mug" / INDEX_FILE
    before = index.stat().st_mtime_ns
    one.push(here)
    assert index.stat().st_mtime_ns == before and json.loads(index.read_text())["number"] == 1


def copied_by_both(machines):
    """The machines, of which each has copied a file of its own into one folder."""
    (one, here), (other, there) = machines
    write(here, a="1")
    write(there, b="2")
    one.push(here)
    other.push(there)
    return machines


def test_files_that_another_machine_added_meanwhile_stay(machines):
    (one, here), _ = copied_by_both(machines)
    assert one.pull(here) and contents(here) == {"a": "1", "b": "2"}


def test_files_of_others_that_are_not_here_yet_stay_at_each_copy(machines):
    (one, here), (other, there) = copied_by_both(machines)
    write(there, c="3")
    other.push(there)
    assert one.pull(here) and contents(here) == {"a": "1", "b": "2", "c": "3"}


@pytest.fixture
def crossed(machines, tmp_path):
    """The machines after both copied a folder at once: the other one's index was written last, over that of the one."""
    (one, here), (other, there) = machines
    write(here, a="1")
    one.push(here)
    other.pull(there)
    index = tmp_path / "bucket" / "runs" / "mug" / INDEX_FILE
    before = index.read_text()
    write(here, b="2")
    one.push(here)
    index.write_text(before)
    write(there, c="3")
    other.push(there)
    return machines


def test_machines_that_copy_one_folder_at_once_lose_none_of_its_files(crossed):
    (one, here), (other, there) = crossed
    write(here, d="4")
    one.push(here)
    one.pull(here)
    other.pull(there)
    assert contents(here) == contents(there) == {"a": "1", "b": "2", "c": "3", "d": "4"}


def test_what_another_machine_copied_at_once_arrives_and_takes_nothing_away(crossed):
    (one, here), _ = crossed
    assert one.pull(here) and contents(here) == {"a": "1", "b": "2", "c": "3"}


def test_a_storage_that_was_emptied_takes_nothing_away(machines, tmp_path):
    (one, here), _ = machines
    write(here, a="1")
    one.push(here)
    shutil.rmtree(tmp_path / "bucket")
    assert not one.pull(here) and contents(here) == {"a": "1"}


def test_locks_and_files_that_are_being_written_stay_on_their_machine(machines):
    (one, here), (other, there) = machines
    write(here, state="1")
    for name in (".lock", ".writer.json", ".state.1a2b.tmp.json"):
        (here / name).write_text("")
    one.push(here)
    other.pull(there)
    assert contents(there) == {"state": "1"}


def test_what_is_not_of_its_index_or_leads_out_of_the_folder_is_refused(machines, tmp_path):
    (one, here), (other, there) = machines
    write(here, state="1")
    one.push(here)
    place = tmp_path / "bucket" / "runs" / "mug"
    (place / "state").write_text("9")
    with pytest.raises(RunError, match="are not those of its index"):
        other.pull(there)
    (place / INDEX_FILE).write_text(json.dumps({"number": 1, "files": {"../../evil": "0" * 64}}))
    with pytest.raises(RunError, match=r"leads out of it: \.\./\.\./evil"):
        other.pull(there)


def test_a_folder_is_copied_while_it_grows_and_at_the_end(machines):
    (one, here), (other, there) = machines
    write(here, state="1")
    with one.keeping(here, seconds=0.05):
        end = time.monotonic() + 60
        while not other.pull(there) and time.monotonic() < end:
            time.sleep(0.05)
        assert contents(there) == {"state": "1"}
        write(here, state="2")
    assert other.pull(there) and contents(there) == {"state": "2"}
    with synced(None, here):
        pass


def test_a_storage_that_fails_is_told_in_one_line(tmp_path):
    (tmp_path / "bucket").write_text("a file")
    write(tmp_path / "runs", state="1")
    with pytest.raises(RunError, match=r"^storage file://.*/bucket: \w+Error: "):
        Storage((tmp_path / "bucket").as_uri(), tmp_path).push(tmp_path / "runs")


def test_an_unknown_file_system_is_named_with_the_remedy():
    with pytest.raises(ConfigError, match=r"'s4://bucket' cannot be used as storage: .*e.g. s3://bucket/folder"):
        Storage("s4://bucket")


def test_a_suite_goes_on_on_a_machine_with_a_disk_of_its_own(tmp_path, monkeypatch):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    suite, url = load_suite(str(write_suite(inputs))), (tmp_path / "bucket").as_uri()
    rows = {}
    for machine, limit in (("one", 1), ("other", None), ("third", None)):
        (tmp_path / machine).mkdir()
        monkeypatch.chdir(tmp_path / machine)
        made = run_suite(
            suite, Path("runs"), Path("results"), executor="inline", methods=["tiny"], limit=limit, storage=Storage(url)
        )
        rows[machine] = [(row.record.case, row.repeated, row.record.values) for row in made.rows]
    assert [(case, repeated) for case, repeated, _ in rows["other"]] == [("disc", True), ("square", False)]
    assert [(case, repeated) for case, repeated, _ in rows["third"]] == [("disc", True), ("square", True)]
    assert rows["third"][0][2] == rows["one"][0][2] and rows["third"][1][2] == rows["other"][1][2]
    for path in (tmp_path / "third").rglob("result.json"):
        assert all((path.parent / name).is_file() for name in read_record(path).predictions)
    assert list((tmp_path / "bucket" / "results" / suite.title / "locks").glob("*.txt"))
    assert list((tmp_path / "bucket" / "runs").rglob("config.yaml"))

"""What a keeper catches by measuring and running anew, and what is packed for him."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from board_records import records_of, rewritten
from maquette.bench.records import find_records, read_record
from maquette.bench.submissions import INDEX_FILE, pack, unpack
from maquette.bench.verifying import same_environment, verify
from maquette.cli.app import app
from maquette.errors import ConfigError, RunError


def errors(results: Path, suite, tmp_path: Path, **more) -> list[str]:
    return [finding.message for finding in verify(results, suite, tmp_path / "work", **more).errors]


def test_honest_results_are_measured_anew_and_trusted(results, suite, tmp_path):
    verdict = verify(results, suite, tmp_path / "work")
    assert (verdict.errors, verdict.records, verdict.rescored, verdict.trust) == ([], 4, 4, 1), verdict.findings


def test_a_run_made_anew_agrees_to_the_bit(results, suite, tmp_path):
    verdict = verify(results, suite, tmp_path / "work", rerun=1, executor="inline")
    assert verdict.trust == 2 and verdict.rerun == 1
    assert any("run anew it agrees to the bit" in finding.message for finding in verdict.findings)


def test_a_unit_of_each_method_is_run_anew_before_a_second_of_any(results, suite, tmp_path):
    for seed in range(3):
        verdict = verify(results, suite, tmp_path / str(seed), rerun=2, seed=seed, executor="inline")
        assert verdict.rerun == 2 and set(verdict.trusted.values()) == {2}


@pytest.mark.parametrize(
    ("change", "message"),
    [({"method": "nobody"}, "the suite has no method 'nobody'"), ({"case": "a cat"}, "the suite has no case 'a cat'")],
)
def test_a_record_of_no_method_or_case_of_the_suite_is_not_run_anew(results, suite, tmp_path, change, message):
    rewritten(records_of(results)[0], **change)
    verdict = verify(results, suite, tmp_path / "work", rerun=4, executor="inline")
    assert verdict.rerun == 3 and any(message in finding.message for finding in verdict.errors)


def test_a_tampered_number_with_a_new_digest_is_caught_by_its_prediction(results, suite, tmp_path):
    path = records_of(results)[0]
    values = dict(read_record(path).values)
    rewritten(path, values=values | {"volume-iou@1/iou": values["volume-iou@1/iou"] + 0.01})
    (message,) = errors(results, suite, tmp_path)
    assert message.startswith("volume-iou@1/iou is claimed to be") and "its prediction scores" in message


def test_a_changed_baseline_is_caught(results, suite, tmp_path):
    path = next(path for path in find_records(results) if read_record(path).method == "trivial")
    values = dict(read_record(path).values)
    rewritten(path, values=values | {"volume-iou@1/iou": values["volume-iou@1/iou"] - 0.1})
    (message,) = errors(results, suite, tmp_path)
    assert message.startswith("volume-iou@1/iou is claimed to be") and "measured here it is" in message


def test_one_run_made_anew_does_not_vouch_for_what_cannot_be_measured(results, suite, tmp_path):
    path = records_of(results, "other")[0]
    (path.parent / "mesh.glb").unlink()
    rewritten(path, predictions={})
    verdict = verify(results, suite, tmp_path / "work", rerun=4, executor="inline")
    assert verdict.trust == 0 and not verdict.errors
    trust = {read_record(path).method: verdict.trusted[read_record(path).digest] for path in records_of(results)}
    assert trust == {"tiny": 2}


def test_a_number_without_a_prediction_is_caught_by_a_run_made_anew(results, suite, tmp_path):
    for path in find_records(results):
        record = read_record(path)
        if record.source == "run":
            (path.parent / "mesh.glb").unlink()
            rewritten(path, predictions={}, values={name: value + 0.02 for name, value in record.values.items()})
    assert verify(results, suite, tmp_path / "work").trust == 0
    messages = errors(results, suite, tmp_path, rerun=1, executor="inline")
    assert any("and run anew it is" in message and "to the bit" in message for message in messages)


def test_a_refusal_that_was_turned_into_a_success_is_caught(results, suite, tmp_path):
    """The oracle is recorded anew by the keeper, so that a claim above it is refused whatever the record says."""
    path = records_of(results)[0]
    rewritten(path, status="refused", error="above")
    (message,) = errors(results, suite, tmp_path)
    assert message == "it is recorded as refused, and beside the baselines it is done"


def test_environments_agree_where_instruction_set_type_and_threads_do():
    one = {"instruction_set": "AVX2", "numba_target": "haswell", "dtype": "float32", "threads": 1, "processor": "p"}
    assert same_environment(one, dict(one)) and not same_environment(one, one | {"instruction_set": "AVX512"})
    assert not same_environment(one, one | {"threads": 2}) and not same_environment({}, {})


def test_submissions_hold_records_predictions_and_locks_and_are_unpacked_as_they_were(results, suite, tmp_path):
    packed = pack(results, suite, tmp_path / "mine.zip", ["tiny"])
    assert packed.records == 2
    names = zipfile.ZipFile(packed.file).namelist()
    assert sum(name.endswith("/result.json") for name in names) == sum(name.endswith("mesh.glb") for name in names) == 2
    assert any("/locks/" in name for name in names) and not any("oracle" in name or "/other/" in name for name in names)
    folder = unpack(packed.file, tmp_path / "unpacked")
    verdict = verify(folder, suite, tmp_path / "work")
    assert verdict.trust == 1 and verdict.records == 2


def test_submissions_that_fail_a_check_are_not_packed(results, suite, tmp_path):
    shutil.rmtree(records_of(results)[0].parent)
    with pytest.raises(RunError, match=r"1 checks fail; the first: tiny .*: there is no record of the case 'disc'"):
        pack(results, suite, tmp_path / "mine.zip")
    assert pack(results, suite, tmp_path / "mine.zip", ["other"]).records == 2
    with pytest.raises(ConfigError, match="there are no records of nobody"):
        pack(results, suite, tmp_path / "mine.zip", ["nobody"])


def test_submissions_whose_files_were_exchanged_or_lead_elsewhere_are_refused(results, suite, tmp_path):
    packed = pack(results, suite, tmp_path / "mine.zip")
    with zipfile.ZipFile(packed.file, "a") as archive:
        archive.writestr("pictures@1/more.txt", "x")
    with pytest.raises(ConfigError, match=r"pictures@1/more.txt is not the file of the index"):
        unpack(packed.file, tmp_path / "one")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.txt", "x")
        archive.writestr(INDEX_FILE, "{}")
    with pytest.raises(ConfigError, match=r"leads out of it"):
        unpack(tmp_path / "evil.zip", tmp_path / "two")
    (tmp_path / "none.zip").write_text("x")
    with pytest.raises(ConfigError, match="this is no submission"):
        unpack(tmp_path / "none.zip", tmp_path / "three")


def test_the_command_line_packs_and_verifies(ran, results, tmp_path):
    suite = str(ran.results.parent / "pictures.yaml")
    packed = CliRunner().invoke(
        app, ["leaderboard", "submit", "-s", suite, "--results", str(results), "--out", str(tmp_path / "m.zip")]
    )
    assert packed.exit_code == 0 and "4 records" in packed.output, packed.output
    done = CliRunner().invoke(app, ["leaderboard", "verify", str(tmp_path / "m.zip"), "--suite", suite])
    assert done.exit_code == 0 and "4 records, 4 measured anew, 0 run anew: 0 errors, trust 1" in done.output, (
        done.output
    )
    records_of(results)[0].write_text("{}")
    bad = CliRunner().invoke(app, ["leaderboard", "verify", str(results), "--suite", suite])
    assert bad.exit_code == 1 and "error: " in bad.output and "trust 0" in bad.output


def broken(archive: Path, name: str, data: bytes, edit: Callable[[bytearray], None]) -> Path:
    """An archive of one compressed file, of which some bytes are changed."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data)
    content = bytearray(archive.read_bytes())
    edit(content)
    archive.write_bytes(content)
    return archive


def damaged(content: bytearray) -> None:
    content[30 + len(INDEX_FILE)] = 0xFF  # the first byte behind the file's head: a block of no known type


def encrypted(content: bytearray) -> None:
    for head, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(head) + flags] |= 1


@pytest.mark.parametrize(
    ("data", "edit", "message"),
    [
        (b"{}", damaged, "invalid block type"),
        (b"{}", encrypted, "is encrypted"),
        (b"[1]", lambda content: None, "its index.json is no table"),
    ],
)  # fmt: skip
def test_archives_that_are_damaged_encrypted_or_without_a_table_are_told_in_one_line(tmp_path, data, edit, message):
    archive = broken(tmp_path / "mine.zip", INDEX_FILE, data, edit)
    with pytest.raises(ConfigError, match=f"this is no submission: .*{message}"):
        unpack(archive, tmp_path / "unpacked")

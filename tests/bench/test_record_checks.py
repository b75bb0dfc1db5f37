"""What is caught without measuring: changed records, missing cases, identical predictions, other configurations."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

from board_records import records_of, rewritten
from maquette.bench.record_checks import check_records
from maquette.bench.records import read_record
from maquette.bench.submissions import pack
from maquette.bench.units import config_hash


def errors(results: Path, suite) -> list[str]:
    return [finding.message for finding in check_records(results, suite)[0] if finding.level == "error"]


def test_a_tampered_number_is_caught_by_its_digest(results, suite):
    path = records_of(results)[0]
    data = json.loads(path.read_text())
    data["values"]["volume-iou@1/iou"] += 0.01
    path.write_text(json.dumps(data))
    assert any("a key was changed after it was written" in message for message in errors(results, suite))


def test_a_method_that_calls_itself_a_baseline_is_caught(results, suite):
    rewritten(records_of(results)[0], source="baseline")
    assert errors(results, suite) == [
        "its source is 'baseline', and its method is neither 'oracle' nor 'trivial'",
        "there is no record of the case 'disc', seed 1",
    ]


def test_a_baseline_that_was_not_measured_by_the_suite_is_caught(results, suite):
    rewritten(records_of(results, "oracle")[0], source="run")
    rewritten(records_of(results, "trivial")[0], source="score")
    assert errors(results, suite) == [
        "its source is 'run', and 'oracle' is the name of a baseline",
        "its source is 'score', and 'trivial' is the name of a baseline",
    ]


def test_a_missing_case_is_caught_and_a_recorded_failure_is_none(results, suite):
    shutil.rmtree(records_of(results)[0].parent)
    assert errors(results, suite) == ["there is no record of the case 'disc', seed 1"]


def test_a_board_of_the_first_cases_has_these_and_no_others(results, suite):
    last = suite.cases[-1].title
    findings, records = check_records(results, suite, limit=1)
    assert {finding.message for finding in findings} == {
        f"the suite has no case {last!r} with seed 1 among its first 1"
    }
    for method in {record.method for record in records}:
        for path in records_of(results, method):
            if read_record(path).case == last:
                shutil.rmtree(path.parent)
    assert check_records(results, suite, limit=1)[0] == []


def test_a_missing_seed_is_caught(results, suite):
    more = dataclasses.replace(suite, seeds=[1, 2])
    findings, _ = check_records(results, more)
    assert sum("seed 2" in finding.message for finding in findings) == 4


def test_identical_predictions_of_two_cases_are_caught(results, suite):
    disc, square = records_of(results)
    shutil.copyfile(disc.parent / "mesh.glb", square.parent / "mesh.glb")
    predictions = read_record(square).predictions | {"mesh.glb": read_record(disc).predictions["mesh.glb"]}
    rewritten(square, predictions=predictions)
    assert any("identical to those of the case 'disc'" in message for message in errors(results, suite))


def test_a_prediction_that_was_exchanged_is_caught(results, suite):
    disc, square = records_of(results)
    shutil.copyfile(disc.parent / "mesh.glb", square.parent / "mesh.glb")
    assert any("another file than the one that was scored" in message for message in errors(results, suite))


def test_a_changed_configuration_is_caught_by_its_hash(results, suite):
    path = records_of(results)[0]
    manifest = json.loads(json.dumps(read_record(path).manifest))
    manifest["config"]["stages"]["nerf"]["steps"] = 4000
    rewritten(path, manifest=manifest)
    assert any("its configuration was changed" in message for message in errors(results, suite))


def test_a_changed_configuration_with_its_own_hash_is_caught_beside_the_suite(results, suite):
    for path in records_of(results):
        record = read_record(path)
        manifest = json.loads(json.dumps(record.manifest))
        manifest["config"]["stages"]["nerf"]["steps"] = 4000
        made = config_hash({name: manifest[name] for name in ("config", "distributions", "inputs")})
        place = path.parents[3] / made / path.parent.parent.name / path.parent.name
        shutil.copytree(path.parent, place)
        rewritten(place / path.name, manifest=manifest, config_hash=made)
        shutil.rmtree(path.parent)
    messages = errors(results, suite)
    assert messages == [
        "its configuration is not the suite's: stages.nerf.steps is 4000, and the suite has 4",
    ] * 2  # fmt: skip


def test_a_record_of_another_version_of_the_suite_is_caught(results, suite):
    other = dataclasses.replace(suite, sheet_views=4, protocol=dataclasses.replace(suite.protocol, align="box"))
    findings, _ = check_records(results, other)
    assert all("it is of another pictures@1" in finding.message for finding in findings) and len(findings) == 4


def test_a_record_in_another_place_or_broken_is_caught(results, suite):
    path = records_of(results)[0]
    moved = path.parents[1] / "9"
    shutil.move(path.parent, moved)
    records_of(results, "other")[0].write_text("{}")
    messages = errors(results, suite)
    assert any("its place is pictures@1/tiny" in message for message in messages)
    assert any("suite" in message for message in messages)


def test_smaller_settings_are_no_way_around_the_suites_configuration(results, suite):
    rewritten(records_of(results)[0], shrunk=True)
    assert errors(results, suite) == ["it was made with smaller settings that the suite's method does not have"]


def test_an_older_unfinished_configuration_of_a_method_is_left_alone(results, suite, tmp_path):
    path = records_of(results)[0]
    older = path.parents[3] / "0123456789abcdef" / path.parent.parent.name / path.parent.name
    shutil.copytree(path.parent, older)
    rewritten(older / path.name, config_hash="0123456789abcdef")
    os.utime(older / path.name, (1, 1))
    assert not errors(results, suite)
    assert pack(results, suite, tmp_path / "mine.zip").records == 4

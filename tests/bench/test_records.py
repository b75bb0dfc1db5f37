"""Records: written once, checked against the published schema, sealed by their digest."""

from __future__ import annotations

import dataclasses
import json
import math

import jsonschema
import pytest
from typer.testing import CliRunner

from maquette.bench.records import (
    Record,
    find_records,
    hash_of,
    read_record,
    record_schema,
    write_failure,
    write_record,
)
from maquette.cli.app import app
from maquette.errors import ConfigError, RunError
from maquette.files import file_hash

RECORD = Record(
    "s@1", "0123", "m", "abcd", "a mug", 0, "run", "done", values={"x@1/y": 0.5}, better={"x@1/y": "higher"},
    costs={"seconds": 1.5},
)  # fmt: skip


def test_records_are_read_as_they_were_written_and_never_changed(tmp_path):
    path = write_record(RECORD, tmp_path)
    assert read_record(path) == RECORD.sealed() and find_records(tmp_path) == [path]
    with pytest.raises(RunError, match="records are never changed"):
        write_record(dataclasses.replace(RECORD, values={}), tmp_path)


def test_a_failure_is_written_over_an_earlier_one(tmp_path):
    for error in ("first", "second"):
        path = write_failure(dataclasses.replace(RECORD, status="failed", error=error), tmp_path)
    assert read_record(path).error == "second" and find_records(tmp_path) == [path]


def test_the_digest_is_of_all_else():
    sealed = RECORD.sealed()
    assert sealed.digest == sealed.expected_digest == RECORD.expected_digest
    for change in ({"values": {"x@1/y": 0.6}}, {"seed": 1}, {"manifest": {"config": {}}}):
        assert dataclasses.replace(sealed, **change).expected_digest != sealed.digest


def test_records_of_a_run_fulfil_the_published_schema(ran):
    schema = record_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    for path in find_records(ran.results):
        jsonschema.validate(json.loads(path.read_text()), schema)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", "one", "seed"),
        ("status", "perfect", "status"),
        ("extra", 1, "extra"),
        ("values", {"x": "y"}, "values.x"),
    ],
)
def test_what_is_no_record_is_refused_by_schema_and_reader(tmp_path, key, value, message):
    path = write_record(RECORD, tmp_path)
    data = json.loads(path.read_text()) | {key: value}
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=message):
        read_record(path)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, record_schema())


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(RunError, match="not finite"):
        write_record(dataclasses.replace(RECORD, values={"x@1/y": math.nan}), tmp_path)
    assert find_records(tmp_path) == []


def test_the_schema_of_records_is_published_by_the_command_line(tmp_path):
    done = CliRunner().invoke(app, ["schema", "--record", "--out", str(tmp_path / "s.json")])
    assert done.exit_code == 0 and json.loads((tmp_path / "s.json").read_text()) == record_schema(), done.output


def test_hashes_are_of_content(tmp_path):
    (tmp_path / "a").write_text("x")
    assert len(file_hash(tmp_path / "a")) == 64
    assert hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1}) != hash_of({"a": 2})


@pytest.mark.parametrize(
    ("key", "value"),
    [("suite", ".."), ("suite", "/tmp/objects@1"), ("suite", "a/../../b@1"), ("config_hash", "../../c")],
)
def test_a_record_that_names_a_folder_elsewhere_is_refused(tmp_path, key, value):
    path = write_record(dataclasses.replace(RECORD, **{key: value}), tmp_path)
    with pytest.raises(ConfigError, match=f"its {key} is not .*result.json"):
        read_record(path)

"""Verifications that are kept: trust by the digest of a record."""

from __future__ import annotations

import pytest

from maquette.bench.record_checks import Finding
from maquette.bench.records import find_records, read_record
from maquette.bench.verdicts import keep_verdict, read_trust
from maquette.bench.verifying import Verdict, verify
from maquette.errors import ConfigError


def test_each_record_that_was_measured_anew_is_trusted_by_its_digest(results, suite, tmp_path):
    keep_verdict(verify(results, suite, tmp_path / "work"), suite.title, results)
    records = [read_record(path) for path in find_records(results / suite.title)]
    expected = {record.digest: 1 for record in records if record.source == "run"}
    assert read_trust(results / suite.title) == expected and len(expected) == 4


def test_an_error_of_one_method_takes_no_trust_from_another(results, suite, tmp_path):
    path = next(path for path in find_records(results) if read_record(path).method == "tiny")
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 1 ').replace('"shrunk": false', '"shrunk": true'))
    verdict = verify(results, suite, tmp_path / "work")
    trust = {record.method: verdict.trusted.get(record.digest) for record in map(read_record, find_records(results))}
    assert verdict.trust == 0 and trust["tiny"] == 0 and trust["other"] == 1


def test_the_latest_verification_of_a_record_counts(tmp_path):
    for trust in (2, 1):
        keep_verdict(Verdict((), 1, 1, 0, {"d": trust}), "s@1", tmp_path)
    assert read_trust(tmp_path / "s@1") == {"d": 1}
    error = Finding("error", "m", "m, a mug, seed 0", "its digest is wrong")
    kept = keep_verdict(Verdict((error,), 1, 1, 0, {"d": 0}), "s@1", tmp_path)
    assert "m, a mug, seed 0: its digest is wrong" in kept.read_text()


def test_a_broken_verification_is_named(tmp_path):
    (tmp_path / "verdicts").mkdir()
    (tmp_path / "verdicts" / "one.json").write_text('{"suite": 3}')
    with pytest.raises(ConfigError, match=r"one\.json"):
        read_trust(tmp_path)

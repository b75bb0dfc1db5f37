"""A report lists what ran and what was skipped, and a part that skips too much does not conform."""

import pytest

from maquette.testing import Outcome, Report

PASSED, SKIPPED = Outcome("works", "passed"), Outcome("nan", "skipped", "it has no inputs")
FAILED = Outcome("shapes", "failed", "rgb has the shape (1,)")


def test_a_report_prints_as_a_table():
    assert str(Report("loss", "mine", (PASSED, SKIPPED, FAILED), 1)).splitlines() == [
        "loss mine",
        "  works   passed",
        "  nan     skipped  it has no inputs",
        "  shapes  failed   rgb has the shape (1,)",
        "  does not conform: 2 of 3 checks ran, 1 failed",
    ]


def test_too_few_checks_do_not_conform():
    report = Report("loss", "mine", (PASSED, SKIPPED), 2)
    assert report.failures == {"minimum": "1 checks ran, and a loss has to pass 2 at least"}
    with pytest.raises(AssertionError, match="minimum"):
        report.require()


def test_a_part_without_failures_conforms():
    Report("loss", "mine", (PASSED, SKIPPED), 1).require()

"""For each check of the kit there is a part that is wrong in one way, and exactly this check refuses it."""

import pytest

from broken_parts import BROKEN
from maquette.registry import KINDS
from maquette.testing import check
from maquette.testing.general import GENERAL
from maquette.testing.kinds import procedure

CASES = [(kind, name, change) for (kind, name), changes in BROKEN.items() for change in changes]


@pytest.mark.parametrize(("kind", "name", "change"), CASES, ids=[f"{k}-{n}-{c.__name__}" for k, n, c in CASES])
def test_exactly_one_check_refuses_a_broken_part(kind, name, change, good):
    report = check(kind, change(good(kind)))
    assert set(report.failures) == {name}, f"\n{report}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_part_conforms(kind, good):
    check(kind, good(kind)).require()


def test_every_check_general_or_of_a_kind_refuses_a_part():
    names = {one.name for one in GENERAL}
    assert names - {name for _, name in BROKEN} == set()
    for kind in KINDS:
        own = {one.name for one in procedure(kind).checks}
        assert own - {name for k, name in BROKEN if k == kind} == set(), kind

"""Ranges say which numbers they hold, and how they are called."""

import math
from typing import get_args

import pytest

from maquette.annotations import FovDeg, InputPath, PathKind, Positive, Range


@pytest.mark.parametrize(
    ("legal", "inside", "outside"),
    [
        (Range(0, 1), [0, 0.5, 1], [-1e-9, 1.001, math.nan, math.inf]),
        (Range(0, 1, open=True), [1e-9, 0.5], [0, 1, math.nan]),
        (Range(1), [1, 10**30, math.inf], [0, 0.99, -math.inf, math.nan]),
        (Range(), [-math.inf, 0, math.inf], [math.nan]),
    ],
)
def test_a_range_holds_its_ends_unless_it_is_open_and_never_what_is_no_number(legal, inside, outside):
    assert all(legal.contains(value) for value in inside)
    assert not any(legal.contains(value) for value in outside)


@pytest.mark.parametrize(
    ("legal", "words"),
    [
        (Range(0, 180, open=True), "between 0 and 180"),
        (Range(-1.5, 2), "from -1.5 to 2"),
        (Range(0, open=True), "above 0"),
        (Range(2), "at least 2"),
        (Range(high=3), "at most 3"),
        (Range(high=3, open=True), "below 3"),
    ],
)
def test_a_range_is_written_in_words(legal, words):
    assert str(legal) == words


def test_a_name_is_a_type_with_its_range_or_its_kind_of_path():
    assert get_args(Positive) == (float, Range(0, open=True)) and get_args(FovDeg) == (float, Range(0, 180, open=True))
    assert get_args(InputPath) == (str, PathKind("input"))

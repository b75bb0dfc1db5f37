"""Schedules."""

import pytest

from maquette.config.schedules import Schedule


def test_a_number_is_constant():
    assert Schedule.parse(3)(99, 100) == 3.0


def test_points_are_joined_by_lines_and_clamped():
    schedule = Schedule.parse([[10, 1.0], [20, 3.0]])
    assert [schedule(step, 100) for step in (0, 10, 15, 20, 99)] == [1, 1, 2, 3, 3]


def test_percentages_count_from_the_stage_length():
    assert Schedule.parse([[0, 0.0], ["50%", 1.0]])(25, 100) == 0.5


@pytest.mark.parametrize(
    ("kind", "middle"), [("linear", 0.55), ("cosine", 0.55), ("exponential", 0.1**0.5), ("step", 1.0)]
)
def test_easings_meet_their_ends(kind, middle):
    schedule = Schedule.parse({"type": kind, "from": 1.0, "to": 0.1, "start": 0, "end": 100})
    assert schedule(0, 100) == pytest.approx(1.0) and schedule(100, 100) == pytest.approx(0.1)
    assert schedule(50, 100) == pytest.approx(middle)


@pytest.mark.parametrize(
    "bad",
    [
        "fast", True, None, [], [[0]], [[5, 1], [2, 1]], [["x%", 1]], [[0, float("nan")]], [[-1, 2]], {"from": 1},
        {"type": "sine", "from": 1, "to": 2}, {"from": 1, "to": 2, "by": 3},
        {"type": "exponential", "from": 0, "to": 1},
    ],
)  # fmt: skip
def test_nonsense_is_refused(bad):
    with pytest.raises(ValueError):
        Schedule.parse(bad)


@pytest.mark.parametrize(
    "plain", [2.0, [[0, 1.0], [5, 2.0]], {"type": "cosine", "from": 1.0, "to": 0.0, "start": 0, "end": "50%"}]
)
def test_the_plain_form_reads_back(plain):
    assert Schedule.parse(Schedule.parse(plain).to_plain()) == Schedule.parse(plain)

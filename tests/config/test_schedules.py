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
        {"type": "exponential", "from": 0, "to": 1}, {"type": "exponential", "from": "a", "to": 1},
        [["100%", 1], [5, 2]], [[5, 1], ["0%", 2]], [[True, 1]],
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


def test_steps_and_percentages_are_in_order_in_the_stage_that_has_them():
    mixed = Schedule.parse([[0, 0.0], [100, 1.0], ["10%", 0.5]])
    mixed.check_order(1001)
    with pytest.raises(ValueError, match=r"of 1000 steps 10% does not come after 100; give both in steps"):
        mixed.check_order(1000)
    Schedule.parse([[0, 1.0], [5000, 0.5]]).check_order(2)  # a short run of a long schedule


def test_a_stage_whose_steps_put_a_schedule_out_of_order_is_refused_by_key():
    from maquette.config import load_method
    from maquette.errors import ConfigError

    rate = "stages.nerf.learning_rates.default=[[0, 0.1], [50, 0.1], ['10%', 0.01]]"
    load_method("dreamfusion", ["prompt=x", rate])
    with pytest.raises(ConfigError, match=r"^stages\.nerf\.learning_rates\.default: .* of 400 steps 10% .*override"):
        load_method("dreamfusion", ["prompt=x", rate, "stages.nerf.steps=400"])

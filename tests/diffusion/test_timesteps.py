"""Which noise levels a step looks at."""

from itertools import pairwise

import pytest
import torch

from maquette.config import load_method
from maquette.config.parts import PartSpec, check, part
from maquette.config.schedules import Schedule
from maquette.diffusion.noise import DiscreteSchedule
from maquette.randomness import Draws, Moment

SCHEDULE = DiscreteSchedule(torch.linspace(0.999, 0.01, 1000))

STABLE_DIFFUSION = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).square()).cumprod(0)


def timesteps(name: str = "uniform", **settings: object) -> PartSpec:
    return part("timesteps", name, **settings)


def path(steps: PartSpec, total: int) -> list[int]:
    """The timestep of every step."""
    return [
        int(steps.build().draw(1, Moment(i, total, Draws(0, i)), DiscreteSchedule(STABLE_DIFFUSION)))
        for i in range(total)
    ]


def test_timesteps_stay_in_their_range_and_anneal():
    steps = timesteps(low=Schedule.constant(0.2), high=Schedule.parse([[0, 0.9], [100, 0.3]]))
    late = steps.build().draw(1000, Moment(100, 100, Draws(0, 0)), SCHEDULE)
    assert int(late.min()) >= 200 and int(late.max()) <= 300


def test_sqrt_timesteps_fall_from_high_to_low():
    steps = timesteps("sqrt")
    drawn = [int(steps.build().draw(1, Moment(i, 100, Draws(0, i)), SCHEDULE)) for i in (0, 25, 100)]
    assert drawn == [980, 500, 20]


def test_linear_timesteps_follow_what_is_left_and_are_held_within_the_range():
    drawn = path(timesteps("linear"), 200)
    assert [drawn[i] for i in (0, 3, 4, 100, 196, 199)] == [980, 980, 980, 500, 20, 20]
    assert drawn[50] - drawn[51] == 5


def test_time_prioritised_steps_never_rise_and_stay_within_the_range():
    drawn = path(timesteps("time-prioritised"), 300)
    assert all(later <= earlier for earlier, later in pairwise(drawn))
    assert drawn[0] <= 980 and drawn[-1] >= 20 and drawn[0] > 800 > 300 > drawn[-1]


def test_time_prioritised_steps_visit_each_level_as_often_as_its_weight_says():
    drawn = torch.tensor(path(timesteps("time-prioritised"), 4000))
    t = torch.arange(20, 981)
    alpha_bar = STABLE_DIFFUSION[t]
    weight = ((1 - alpha_bar) / alpha_bar).sqrt() * torch.exp(-((t - 500.0) ** 2) / (2 * 125**2))
    for low, high in ((300, 400), (500, 550), (600, 800)):
        visits = float(((drawn >= low) & (drawn < high)).float().mean())
        wanted = float(weight[(t >= low) & (t < high)].sum() / weight.sum())
        assert visits == pytest.approx(wanted, abs=0.01)


def test_shared_timesteps_are_one_for_all_pictures():
    assert len(set(timesteps().build().draw(8, Moment(0, 10, Draws(0, 0)), SCHEDULE).tolist())) > 1
    assert len(set(timesteps(shared=True).build().draw(8, Moment(0, 10, Draws(0, 0)), SCHEDULE).tolist())) == 1


NARROWING = {"low": Schedule.constant(0.1), "high": Schedule.parse([[0, 0.9], ["60%", 0.4]])}
BEFORE = [
    ("uniform", {}, [[958, 58, 555], [635, 774, 480], [90, 297, 881]]),
    ("uniform", NARROWING, [[864, 439, 252], [211, 485, 628], [239, 395, 233]]),
    ("uniform", {"shared": True}, [[958] * 3, [635] * 3, [90] * 3]),
    ("sqrt", {}, [[980] * 3, [454] * 3, [69] * 3]),
    ("sqrt", NARROWING, [[900] * 3, [348] * 3, [115] * 3]),
    ("linear", {}, [[980] * 3, [700] * 3, [100] * 3]),
    ("linear", NARROWING, [[900] * 3, [650] * 3, [100] * 3]),
    ("time-prioritised", {}, [[980] * 3, [623] * 3, [394] * 3]),
    ("time-prioritised", NARROWING, [[900] * 3, [569] * 3, [269] * 3]),
]  # fmt: skip
"""What the formulas of one class gave before each was a part, at steps 0, 3 and 9 of 10 under seed 7."""


@pytest.mark.parametrize(("name", "settings", "expected"), BEFORE)
def test_uniform_sqrt_linear_and_time_prioritised_draw_what_they_drew_before(name, settings, expected):
    part_of_today, noise = timesteps(name, **settings).build(), DiscreteSchedule(STABLE_DIFFUSION)
    moments = [Moment.at(step, 10, 7).sub("sds") for step in (0, 3, 9)]
    assert [part_of_today.draw(3, moment, noise).tolist() for moment in moments] == expected


def objective_of(words: list[str], method: str = "dreamfusion", stage: str = "nerf") -> PartSpec:
    guidance = load_method(method, ["prompt=x", *words]).method.stages[stage].config.guidance
    return next(iter(guidance.values())).objective


def test_timesteps_without_a_type_are_those_of_the_objective_with_other_settings():
    key = "stages.nerf.guidance.sds.objective"
    falling = objective_of([f"{key}={{type: image-sds, timesteps: {{high: 0.9}}}}"]).config.timesteps
    assert (falling.name, falling.config.high) == ("sqrt", Schedule.constant(0.9))
    chained = objective_of([f"{key}={{type: sjc, timesteps: {{high: 0.9}}}}"]).config.timesteps
    assert (chained.name, chained.config.low) == ("uniform", Schedule.constant(0.01))


def test_timesteps_of_another_type_have_its_own_settings():
    key = "stages.nerf.guidance.sds.objective.timesteps"
    drawn = objective_of([f"{key}.type=time-prioritised", f"{key}.centre=0.4"]).config.timesteps
    assert drawn.name == "time-prioritised" and drawn.config.centre == 0.4


def test_the_former_key_of_timesteps_is_refused_with_those_that_exist():
    from maquette.errors import ConfigError
    from maquette.objectives.sds import SDS

    with pytest.raises(ConfigError, match=r"x\.timesteps\.kind: unknown key; known here: low, high, shared"):
        check(SDS.Config, {"timesteps": {"kind": "sqrt"}}, "x", lambda key: None)


@pytest.mark.parametrize("name", ["uniform", "linear", "sqrt", "time-prioritised"])
def test_a_range_at_the_upper_end_is_the_last_timestep(name):
    steps = timesteps(name, low=Schedule.constant(1.0), high=Schedule.constant(1.0))
    assert set(path(steps, 5)) == {999}

"""Which noise levels a step looks at."""

from itertools import pairwise

import pytest
import torch

from maquette.config.schedules import Schedule
from maquette.diffusion.noise import DiscreteSchedule
from maquette.diffusion.timesteps import Timesteps
from maquette.randomness import Draws, Moment

SCHEDULE = DiscreteSchedule(torch.linspace(0.999, 0.01, 1000))

STABLE_DIFFUSION = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).square()).cumprod(0)


def path(steps: Timesteps, total: int) -> list[int]:
    """The timestep of every step."""
    return [int(steps.draw(1, Moment(i, total, Draws(0, i)), DiscreteSchedule(STABLE_DIFFUSION))) for i in range(total)]


def test_timesteps_stay_in_their_range_and_anneal():
    steps = Timesteps(low=Schedule.constant(0.2), high=Schedule.parse([[0, 0.9], [100, 0.3]]))
    late = steps.draw(1000, Moment(100, 100, Draws(0, 0)), SCHEDULE)
    assert int(late.min()) >= 200 and int(late.max()) <= 300


def test_sqrt_timesteps_fall_from_high_to_low():
    steps = Timesteps(kind="sqrt")
    drawn = [int(steps.draw(1, Moment(i, 100, Draws(0, i)), SCHEDULE)) for i in (0, 25, 100)]
    assert drawn == [980, 500, 20]


def test_linear_timesteps_follow_what_is_left_and_are_held_within_the_range():
    drawn = path(Timesteps(kind="linear"), 200)
    assert [drawn[i] for i in (0, 3, 4, 100, 196, 199)] == [980, 980, 980, 500, 20, 20]
    assert drawn[50] - drawn[51] == 5


def test_time_prioritised_steps_never_rise_and_stay_within_the_range():
    drawn = path(Timesteps(kind="time-prioritised"), 300)
    assert all(later <= earlier for earlier, later in pairwise(drawn))
    assert drawn[0] <= 980 and drawn[-1] >= 20 and drawn[0] > 800 > 300 > drawn[-1]


def test_time_prioritised_steps_visit_each_level_as_often_as_its_weight_says():
    drawn = torch.tensor(path(Timesteps(kind="time-prioritised"), 4000))
    t = torch.arange(20, 981)
    alpha_bar = STABLE_DIFFUSION[t]
    weight = ((1 - alpha_bar) / alpha_bar).sqrt() * torch.exp(-((t - 500.0) ** 2) / (2 * 125**2))
    for low, high in ((300, 400), (500, 550), (600, 800)):
        visits = float(((drawn >= low) & (drawn < high)).float().mean())
        wanted = float(weight[(t >= low) & (t < high)].sum() / weight.sum())
        assert visits == pytest.approx(wanted, abs=0.01)


def test_shared_timesteps_are_one_for_all_pictures():
    assert len(set(Timesteps().draw(8, Moment(0, 10, Draws(0, 0)), SCHEDULE).tolist())) > 1
    assert len(set(Timesteps(shared=True).draw(8, Moment(0, 10, Draws(0, 0)), SCHEDULE).tolist())) == 1

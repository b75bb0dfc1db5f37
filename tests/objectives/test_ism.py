"""Interval score matching, written out and in its limits."""

from itertools import pairwise

import torch

from closed_form import DRAWS, STEP, TOTAL, Gaussian, guided, pulls
from maquette.config.parts import part
from maquette.config.schedules import Schedule
from maquette.objectives.base import draw_timesteps
from maquette.objectives.ism import ISM
from maquette.randomness import Moment

RGB = torch.rand(3, 4, 4, 3, generator=torch.Generator().manual_seed(0))
NO_TEXT = {"positive": 0.0, "unconditional": 0.0}


def test_the_gradient_written_out():
    prior = Gaussian()
    config = ISM.Config(interval=Schedule.constant(0.05))
    steps = draw_timesteps(prior, 3, config.timesteps, Moment(STEP, TOTAL, DRAWS))
    assert len(set(steps.tolist())) == 3
    found = pulls(ISM(config), RGB)
    for i, t in enumerate(steps.tolist()):
        s = max(t - 50, 0)
        state, level = prior.encode(RGB[i : i + 1]), (1.0, 0.0)
        stops = [*range(0, s, 200), s, t]
        for start, stop in pairwise(stops):
            noise = prior.predict(state, torch.tensor([start]), {"unconditional": 0.0}, None)["unconditional"]
            clean = (state - level[1] * noise) / level[0]
            level = tuple(float(part) for part in prior.noise_schedule.alpha_sigma(torch.tensor([stop])))
            state = level[0] * clean + level[1] * noise
        gradient = level[1] / level[0] * (guided(prior, state, torch.tensor([t])) - noise)
        torch.testing.assert_close(found[i], gradient[0], rtol=1e-3, atol=1e-3)


def test_without_text_the_pull_vanishes_with_the_interval():
    steps = part("timesteps", "uniform", low=Schedule.constant(0.6), high=Schedule.constant(0.6))
    sizes = [
        float(pulls(ISM(ISM.Config(timesteps=steps, interval=Schedule.constant(interval))), RGB, conditions=NO_TEXT)
              .abs().mean())
        for interval in (0.2, 0.1, 0.002)
    ]  # fmt: skip
    assert sizes[0] > 1.5 * sizes[1] > 20 * sizes[2]


def test_only_what_is_used_is_asked():
    assert ISM.capabilities(ISM.Config()).conditions == {"unconditional"}

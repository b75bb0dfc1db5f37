"""Score distillation via inversion: the noise is the one that leads to the picture."""

from itertools import pairwise

import torch

from closed_form import CONDITIONS, DRAWS, STEP, TOTAL, Gaussian, flow, guided, pulls
from maquette.objectives.base import draw_timesteps
from maquette.objectives.sdi import SDI
from maquette.randomness import Moment

RGB = torch.rand(2, 4, 4, 3, generator=torch.Generator().manual_seed(0))
ONE_TEXT = {"positive": 0.5, "unconditional": 0.5}


def timestep() -> torch.Tensor:
    return draw_timesteps(Gaussian(), 2, SDI.Config().timesteps, Moment(STEP, TOTAL, DRAWS))


def test_timesteps_fall_linearly_without_chance():
    assert timestep().tolist() == [692, 692]  # 0.98 - 0.3 (0.98 - 0.02)


def test_the_noise_is_that_of_the_probability_flow():
    prior, t = Gaussian(), timestep()
    z = prior.encode(RGB)
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    noisy = flow(prior, z, 0.5, (1.0, 0.0), (alpha, sigma))
    noise = (noisy - alpha * z) / sigma
    wanted = sigma / alpha * (prior.predict(noisy, t, ONE_TEXT, None)["positive"] - noise)
    objective = SDI(SDI.Config(steps=1000, eta=0.0))
    torch.testing.assert_close(pulls(objective, RGB, conditions=ONE_TEXT), wanted, rtol=0.02, atol=0.02)


def test_ten_steps_written_out():
    prior, t = Gaussian(), int(timestep()[0])
    z = prior.encode(RGB)
    found = pulls(SDI(SDI.Config(eta=0.0)), RGB)
    for i, tau in enumerate(DRAWS.integers("tau", 0, 99, 2).tolist()):
        state, (a, s) = z[i : i + 1], (1.0, 0.0)
        for start, stop in pairwise([*range(0, t + tau, 100), t + tau]):
            noise = guided(prior, state, torch.tensor([start]), scale=-6.5)  # -7.5 from the text
            clean = (state - s * noise) / a
            a, s = (float(part) for part in prior.noise_schedule.alpha_sigma(torch.tensor([stop])))
            state = a * clean + s * noise
        noise = (state - a * z[i : i + 1]) / s
        alpha, sigma = prior.noise_schedule.alpha_sigma(torch.tensor([t]))
        predicted = guided(prior, alpha * z[i : i + 1] + sigma * noise, torch.tensor([t]))
        torch.testing.assert_close(found[i], (sigma / alpha * (predicted - noise))[0], rtol=1e-3, atol=1e-3)


def test_what_the_way_up_asks_for_is_needed():
    assert SDI.capabilities(SDI.Config()).conditions == {"positive", "unconditional"} <= set(CONDITIONS)

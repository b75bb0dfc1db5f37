"""Deterministic steps against the probability flow of a Gaussian, which is known."""

import pytest
import torch

from closed_form import CONDITIONS, Gaussian, flow
from maquette.diffusion.ddim import ddim_alpha_sigma, ddim_step, invert, sample
from maquette.randomness import Draws
from maquette.scores.denoiser import Denoiser
from maquette.scores.plain import Plain
from views import front

PRIOR, MEAN = Gaussian(), CONDITIONS["positive"]
CLEAN = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1


def asked(count: int = 2) -> Denoiser:
    return Denoiser(PRIOR, Plain(Plain.Config()), CONDITIONS, front(count))


def at(t: int) -> tuple[float, float]:
    alpha, sigma = PRIOR.noise_schedule.alpha_sigma(torch.tensor([t]))
    return float(alpha), float(sigma)


def test_a_step_keeps_the_clean_picture_and_the_noise():
    noise = torch.randn(2, 3, 4, 4)
    here, there = (ddim_alpha_sigma(PRIOR.noise_schedule, torch.tensor([t, t])) for t in (200, 700))
    noisy = here[0] * CLEAN + here[1] * noise
    torch.testing.assert_close(ddim_step(noisy, noise, here, there), there[0] * CLEAN + there[1] * noise)


def test_small_steps_upwards_follow_the_probability_flow():
    found = invert(asked(), CLEAN, torch.tensor([300, 800]), stride=1)
    for i, t in enumerate((300, 800)):
        torch.testing.assert_close(found[i], flow(PRIOR, CLEAN[i], MEAN, (1.0, 0.0), at(t)), rtol=0.01, atol=0.01)


def test_pictures_with_other_targets_do_not_disturb_each_other():
    together = invert(asked(), CLEAN, torch.tensor([130, 900]), stride=200)
    for i, t in enumerate((130, 900)):
        torch.testing.assert_close(together[i : i + 1], invert(asked(1), CLEAN[i : i + 1], torch.tensor([t]), 200))


def test_timestep_zero_is_the_clean_picture():
    assert torch.equal(invert(asked(), CLEAN, torch.tensor([0, 0]), stride=100), CLEAN)


def test_small_steps_downwards_follow_the_probability_flow_back():
    noisy = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    found = sample(asked(), noisy, 600, steps=600)
    torch.testing.assert_close(found, flow(PRIOR, noisy, MEAN, at(600), (1.0, 0.0)), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("steps", [1, 3])
def test_few_steps_from_the_lowest_level_still_end_at_the_predicted_clean_picture(steps):
    alpha, sigma = PRIOR.noise_schedule.alpha_sigma(torch.tensor([1]))
    noise = asked().noise(CLEAN, torch.tensor([1, 1]))
    torch.testing.assert_close(sample(asked(), CLEAN, 1, steps), (CLEAN - sigma * noise) / alpha)


def test_eta_adds_the_noise_of_ancestral_sampling():
    t = torch.tensor([500, 500])
    low, high = at(250), at(500)
    draws = Draws(0, 0)
    plain, noisy = (invert(asked(), CLEAN, t, 250, eta, draws) for eta in (0.0, 1.0))
    posterior = (low[1] / high[1]) ** 2 * (1 - (high[0] / low[0]) ** 2)  # Ho et al. 2020, eq. 7
    added = posterior**0.5 * draws.normal("inversion 1", *CLEAN.shape)  # nothing at the first step, from clean
    torch.testing.assert_close(noisy - plain, added, rtol=1e-3, atol=1e-4)

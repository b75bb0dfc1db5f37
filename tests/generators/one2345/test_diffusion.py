"""The diffusion of volumes: a network that has the answer is followed to it, in any number of steps."""

import pytest
import torch

from maquette.generators.one2345.diffusion import SCHEDULE, CleanDenoiser, noise_clean, sample_clean
from maquette.randomness import Draws


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("sampler", ["ddim", "dpm-solver++"])
def test_sampling_under_a_network_that_knows_the_clean_volume_gives_it(steps, sampler):
    clean = torch.rand(2, 3, 4, 4) * 2 - 1
    draws = Draws(0, 0)
    sampled = sample_clean(lambda noisy, t: clean, draws.normal("noise", *clean.shape), steps, draws, sampler)
    torch.testing.assert_close(sampled, clean, atol=2e-2, rtol=0)


def test_two_point_data_are_sampled_at_the_points_and_not_between_them():
    """The optimal prediction for data of -1/2 and 1/2 is tanh; one step gives their mean, many give either."""

    def predict(noisy: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        alpha, sigma = SCHEDULE.alpha_sigma(t)
        return 0.5 * torch.tanh(noisy * 0.5 * alpha / sigma.square())

    noise = Draws(0, 0).normal("noise", 400, 1, 1, 1)
    once, often = (sample_clean(predict, noise, steps, Draws(0, 0)) for steps in (1, 50))
    assert once.abs().max() < 0.05
    assert (often.abs() - 0.5).abs().mean() < 0.02 and 0.4 < (often > 0).float().mean() < 0.6


def test_the_noise_of_a_prediction_returns_to_it():
    clean, t = torch.rand(3, 2, 2, 2), torch.tensor([1, 400, 999])
    noisy = noise_clean(clean, t, Draws(0, 0))
    epsilon = CleanDenoiser(lambda noisy, t: clean).noise(noisy, t)
    torch.testing.assert_close(SCHEDULE.add(clean, epsilon, t), noisy, atol=1e-4, rtol=1e-4)

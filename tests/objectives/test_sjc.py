"""Score Jacobian chaining against score distillation, of which it is a relative."""

import torch
from closed_form import DRAWS, TOTAL, Gaussian, guided, pulls

from maquette.config.schedules import Schedule
from maquette.objectives.base import Timesteps, draw_timesteps
from maquette.objectives.sds import SDS
from maquette.objectives.sjc import SJC
from maquette.randomness import Draws

RGB = torch.rand(2, 4, 4, 3, generator=torch.Generator().manual_seed(0))


def test_with_variance_reduction_it_is_sds_with_weight_one():
    levels = Timesteps(low=Schedule.constant(0.1), high=Schedule.constant(0.9))
    plain = SDS(SDS.Config(timesteps=levels, weighting="uniform"))
    chained = SJC(SJC.Config(timesteps=levels))
    torch.testing.assert_close(pulls(chained, RGB), pulls(plain, RGB), rtol=1e-4, atol=1e-4)


def test_without_variance_reduction_the_noise_itself_stays_in():
    reduced, raw = (pulls(SJC(SJC.Config(variance_reduction=on)), RGB) for on in (True, False))
    torch.testing.assert_close(raw - reduced, DRAWS.normal("noise", 2, 3, 4, 4), rtol=1e-3, atol=1e-3)


def test_the_pull_leads_away_from_what_the_denoiser_makes_of_the_perturbed_picture():
    prior = Gaussian()
    z = prior.encode(RGB)
    t = draw_timesteps(prior, 2, SJC.Config().timesteps, 3, TOTAL, DRAWS)
    alpha, sigma = prior.levels(t)
    level = sigma / alpha
    perturbed = z + level * DRAWS.normal("noise", *z.shape)
    denoised = perturbed - level * guided(prior, perturbed / (1 + level**2).sqrt(), t)  # alpha y, of preserved variance
    torch.testing.assert_close(pulls(SJC(SJC.Config()), RGB), -(denoised - z) / level, rtol=1e-3, atol=1e-3)


def test_its_levels_leave_out_the_lowest_ten_and_the_highest_thirty():
    drawn = SJC.Config().timesteps.draw(20_000, 1000, 0, 10, Draws(0, 0))
    assert (int(drawn.min()), int(drawn.max())) == (10, 969)

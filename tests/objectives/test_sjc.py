"""Score Jacobian chaining against score distillation, of which it is a relative."""

import pytest
import torch

from closed_form import DRAWS, TOTAL, Gaussian, guided, pulls
from maquette.config.parts import part
from maquette.config.schedules import Schedule
from maquette.diffusion.noise import DiscreteSchedule
from maquette.objectives.base import draw_timesteps
from maquette.objectives.sds import SDS
from maquette.objectives.sjc import SJC
from maquette.randomness import Draws, Moment
from maquette.scores.plain import Plain

SCHEDULE = DiscreteSchedule(torch.linspace(0.999, 0.01, 1000))

RGB = torch.rand(2, 4, 4, 3, generator=torch.Generator().manual_seed(0))


def test_with_variance_reduction_it_is_sds_with_weight_one():
    levels = part("timesteps", "uniform", low=Schedule.constant(0.1), high=Schedule.constant(0.9))
    plain = SDS(SDS.Config(timesteps=levels, weighting="uniform"))
    chained = SJC(SJC.Config(timesteps=levels))
    torch.testing.assert_close(pulls(chained, RGB), pulls(plain, RGB), rtol=1e-4, atol=1e-4)


def test_without_variance_reduction_the_noise_itself_stays_in():
    reduced, raw = (pulls(SJC(SJC.Config(variance_reduction=on)), RGB) for on in (True, False))
    torch.testing.assert_close(raw - reduced, DRAWS.normal("noise", 2, 3, 4, 4), rtol=1e-3, atol=1e-3)


def test_the_pull_leads_away_from_what_the_denoiser_makes_of_the_perturbed_picture():
    prior = Gaussian()
    z = prior.encode(RGB)
    t = draw_timesteps(prior, 2, SJC.Config().timesteps, Moment(3, TOTAL, DRAWS))
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    level = sigma / alpha
    perturbed = z + level * DRAWS.normal("noise", *z.shape)
    denoised = perturbed - level * guided(prior, perturbed / (1 + level**2).sqrt(), t)  # alpha y, of preserved variance
    torch.testing.assert_close(pulls(SJC(SJC.Config()), RGB), -(denoised - z) / level, rtol=1e-3, atol=1e-3)


def test_its_levels_leave_out_the_lowest_ten_and_the_highest_thirty():
    drawn = SJC.Config().timesteps.build().draw(20_000, Moment(0, 10, Draws(0, 0)), SCHEDULE)
    assert (int(drawn.min()), int(drawn.max())) == (10, 969)


@pytest.mark.parametrize("t", [400, 700])
def test_variance_reduction_keeps_the_mean_and_lowers_the_variance(t):
    # row 4, DF-7. Of a Gaussian prior of deviation d the noise n is seen with coefficient sigma^2 / s^2, where
    # s^2 = sigma^2 + (alpha d)^2; less n itself that is -(alpha d)^2 / s^2, which is smaller where alpha d < sigma
    rgb, prior = torch.full((1, 96, 96, 3), 0.7), Gaussian()
    at = part("timesteps", "uniform", low=Schedule.constant(t / 1000), high=Schedule.constant(t / 1000))
    raw, reduced = (
        pulls(SJC(SJC.Config(timesteps=at, variance_reduction=on)), rgb, Plain(Plain.Config())) for on in (False, True)
    )
    alpha, sigma = (float(level) for level in prior.noise_schedule.alpha_sigma(torch.tensor([t])))
    assert float(reduced.std() / raw.std()) == pytest.approx(alpha**2 * prior.variance / sigma**2, rel=0.01)
    assert reduced.std() < raw.std()
    assert float(raw.mean()) == pytest.approx(float(reduced.mean()), abs=4 / (96 * 96 * 3) ** 0.5)

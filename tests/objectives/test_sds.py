"""SDS has exactly the paper's gradient."""

import pytest
import torch

from closed_form import CONDITIONS, Gaussian
from maquette.config.parts import part
from maquette.config.schedules import Schedule
from maquette.diffusion.noise import DiscreteSchedule
from maquette.objectives.base import timestep_weight
from maquette.objectives.sds import SDS
from maquette.randomness import Draws, Moment
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from views import front, rendering

SCHEDULE = DiscreteSchedule(torch.linspace(0.999, 0.01, 1000))


def gradient(config: SDS.Config, rgb: torch.Tensor, scale: float = 1.0, draws: Draws | None = None) -> torch.Tensor:
    rgb = rgb.clone().requires_grad_(True)
    terms = SDS(config)(
        rendering(rgb),
        Denoiser(Gaussian(), CFG(CFG.Config(scale=scale)), CONDITIONS, front(len(rgb))),
        Moment(3, 10, draws or Draws(0, 3)),
    )
    terms.total().backward()
    return rgb.grad


@pytest.mark.parametrize("weighting", ["sigma2", "uniform", "fantasia"])
def test_the_gradient_is_w_times_the_noise_residual_through_the_encoder(weighting):
    rgb, draws, prior = torch.rand(2, 4, 4, 3), Draws(0, 3), Gaussian()
    config = SDS.Config(weighting=weighting)
    z = prior.encode(rgb)
    t = config.timesteps.build().draw(2, Moment(3, 10, draws), SCHEDULE)
    noise = draws.normal("noise", *z.shape)
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    noisy = alpha * z + sigma * noise
    predicted = prior.predict(noisy, t, CONDITIONS, None)
    guided = predicted["unconditional"] + 4.0 * (predicted["positive"] - predicted["unconditional"])
    weight = timestep_weight(weighting, alpha, sigma)
    brute = (weight * (guided - noise) / 2).permute(0, 2, 3, 1) * 2  # d z / d rgb is 2
    torch.testing.assert_close(gradient(config, rgb, scale=4.0), brute, rtol=1e-4, atol=1e-5)


def test_the_fixed_point_under_a_gaussian_prior_is_its_mean():
    rgb = torch.full((64, 4, 4, 3), 0.75)  # the mean 0.5 in [-1, 1]
    fixed = gradient(SDS.Config(), rgb).mean()
    away = gradient(SDS.Config(), rgb + 0.2).mean()
    assert abs(fixed) < 0.1 * abs(away) and away > 0


def test_guidance_moves_the_fixed_point_by_scale_minus_one():
    shifted = torch.full((64, 4, 4, 3), (0.5 + 1.0 * (0.5 - 0.0)) / 2 + 0.5)  # m_c + (s - 1)(m_c - m_u), s = 2
    assert abs(gradient(SDS.Config(), shifted, scale=2.0).mean()) < 0.1 * abs(
        gradient(SDS.Config(), shifted - 0.2, scale=2.0).mean()
    )


def test_clipping_bounds_each_pixel():
    config = SDS.Config(gradient_clip=Schedule.constant(0.01))
    per_pixel = gradient(config, torch.rand(1, 4, 4, 3)).norm(dim=-1)
    assert per_pixel.max() <= 0.02 + 1e-6  # d z / d rgb is 2


def test_a_threshold_keeps_a_large_scale_from_asking_for_impossible_pixels():
    # at the edge of the range, a guided prediction beyond it must not push further; one within it is left alone
    white, grey = torch.ones(1, 4, 4, 3), torch.full((1, 4, 4, 3), 0.6)
    late = part("timesteps", "uniform", low=Schedule.constant(0.7), high=Schedule.constant(0.7))
    free, bound = SDS.Config(timesteps=late), SDS.Config(timesteps=late, threshold=1.0)
    assert gradient(free, white, scale=50.0).mean() < 0  # descending makes the picture brighter than white
    assert gradient(bound, white, scale=50.0).abs().max() < 1e-5
    torch.testing.assert_close(gradient(bound, grey), gradient(free, grey), rtol=1e-4, atol=1e-5)

"""Regression on the predicted clean picture, with and without rescaling."""

import numpy as np
import pytest
import torch

from closed_form import CONDITIONS, DRAWS, STEP, TOTAL, Gaussian, guided, pulls
from maquette.config.parts import part
from maquette.diffusion.noise import DiscreteSchedule
from maquette.errors import ConfigError
from maquette.objectives.base import draw_timesteps
from maquette.objectives.sds import SDS
from maquette.objectives.x0_reconstruction import X0Reconstruction
from maquette.randomness import Draws, Moment
from maquette.scores.weighted import Weighted

SCHEDULE = DiscreteSchedule(torch.linspace(0.999, 0.01, 1000))

RGB = torch.rand(4, 4, 4, 3, generator=torch.Generator().manual_seed(0))


def clean_predictions(scale: float) -> torch.Tensor:
    """x_0 of each picture at the default timesteps, by guidance of a scale."""
    prior = Gaussian()
    z = prior.encode(RGB)
    t = draw_timesteps(prior, 4, X0Reconstruction.Config().timesteps, Moment(STEP, TOTAL, DRAWS))
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    noisy = alpha * z + sigma * DRAWS.normal("noise", *z.shape)
    return (noisy - sigma * guided(prior, noisy, t, scale)) / alpha


def test_without_rescaling_it_is_sds_weighed_by_sigma_over_alpha():
    steps = part("timesteps", "uniform")
    regress = X0Reconstruction(X0Reconstruction.Config(timesteps=steps, rescale=0.0))
    plain = SDS(SDS.Config(timesteps=steps, weighting="x0"))
    torch.testing.assert_close(pulls(regress, RGB), pulls(plain, RGB), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("views", [1, 2, 4])
def test_the_target_has_half_the_way_to_the_deviation_of_what_no_guidance_gives(views):
    objective = X0Reconstruction(X0Reconstruction.Config(views=views))
    found, unguided = (clean_predictions(scale).numpy() for scale in (4.0, 1.0))
    wanted = np.empty_like(found)
    for i in range(0, 4, views):
        ratio = unguided[i : i + views].std(ddof=1) / found[i : i + views].std(ddof=1)
        wanted[i : i + views] = 0.5 * ratio * found[i : i + views] + 0.5 * found[i : i + views]
    target = Gaussian().encode(RGB) - pulls(objective, RGB)
    torch.testing.assert_close(target, torch.from_numpy(wanted), rtol=1e-3, atol=1e-3)


def test_timesteps_begin_at_one_level_and_widen_downwards():
    steps = X0Reconstruction.Config().timesteps
    first, last = (steps.build().draw(5000, Moment(step, 100, Draws(0, step)), SCHEDULE) for step in (0, 99))
    assert set(first.tolist()) == {980} and (int(last.min()), int(last.max())) == (20, 500)


def test_rescaling_asks_for_the_positive_prediction_even_of_a_score_that_does_without():
    score = Weighted(Weighted.Config(weights={"unconditional": 1.0}))
    objective = X0Reconstruction(X0Reconstruction.Config())
    assert objective.capabilities(objective.config).conditions == {"positive"}
    assert pulls(objective, RGB, score, conditions=CONDITIONS).isfinite().all()


def test_views_that_do_not_divide_the_pictures_of_a_step_are_refused_by_key():
    with pytest.raises(ConfigError, match=r"objective.views: 3 pictures are of one object, and a step renders 4"):
        pulls(X0Reconstruction(X0Reconstruction.Config(views=3)), RGB)

"""What a prior and a score predict together, against the exact denoiser of a Gaussian."""

import torch

from closed_form import CONDITIONS, Gaussian, guided
from maquette.scores.cfg import CFG
from maquette.scores.csd import CSD
from maquette.scores.denoiser import Denoiser, threshold_noise
from views import front

PRIOR = Gaussian()
NOISY = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
T = torch.tensor([100, 700])


def denoiser(score=None) -> Denoiser:
    return Denoiser(PRIOR, score or CFG(CFG.Config(scale=4.0)), CONDITIONS, front(2))


def test_a_denoiser_asks_for_what_its_score_needs_and_no_more():
    assert denoiser().predictions(NOISY, T).keys() == {"positive", "unconditional"}
    assert "empty" in denoiser().predictions(NOISY, T, also=frozenset({"empty"}))


def test_the_guided_noise_is_the_scores_combination():
    torch.testing.assert_close(denoiser().noise(NOISY, T), guided(PRIOR, NOISY, T))


def test_a_direction_is_added_to_the_noise_that_was_put_in():
    noise = torch.randn_like(NOISY)
    predicted = PRIOR.predict(NOISY, T, CONDITIONS, None)
    found = denoiser(CSD(CSD.Config(scale=2.0))).noise(NOISY, T, added_noise=noise)
    torch.testing.assert_close(found, noise + 2 * (predicted["positive"] - predicted["unconditional"]))


def test_a_threshold_bounds_the_clean_picture_that_the_noise_implies():
    alpha, sigma = PRIOR.noise_schedule.alpha_sigma(T)
    noise = denoiser().thresholded(0.3).noise(NOISY, T)
    clean = (NOISY - sigma * noise) / alpha
    free = (NOISY - sigma * denoiser().noise(NOISY, T)) / alpha
    torch.testing.assert_close(clean, free.clamp(-0.3, 0.3), atol=1e-5, rtol=1e-4)
    inside = threshold_noise(guided(PRIOR, NOISY, T), NOISY, alpha, sigma, limit=1e6)
    torch.testing.assert_close(inside, guided(PRIOR, NOISY, T), atol=1e-3, rtol=1e-3)


def test_another_score_has_no_threshold_and_other_conditions_keep_it():
    limited = denoiser().thresholded(0.3)
    assert limited.with_conditions({}).threshold == 0.3 and limited.with_score(CSD(CSD.Config())).threshold == 0.0

"""Noise processes in the place of a prior's own."""

import numpy as np
import pytest
import torch

from maquette.config import load_method
from maquette.config.parts import check, part
from maquette.diffusion.noise import ALMOST_ZERO, DiscreteSchedule, replaced_levels
from maquette.diffusion.noise.cosine import cosine_levels
from maquette.diffusion.noise.scaled_linear import scaled_linear_levels
from maquette.errors import ConfigError
from maquette.priors.oracle.gaussian import Gaussian

OWN = scaled_linear_levels(1000).float()


def ratio(levels: torch.Tensor) -> np.ndarray:
    return (levels.double() / (1 - levels.double())).numpy()


def test_zero_terminal_snr_rescales_betas_as_diffusers_does():
    from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr

    betas = 1 - OWN.double() / torch.cat([torch.ones(1).double(), OWN.double()[:-1]])
    wanted = (1 - rescale_zero_terminal_snr(betas)).cumprod(0)
    rescaled = replaced_levels(OWN, part("noise", "zero-terminal-snr"))
    torch.testing.assert_close(rescaled[:-1], wanted[:-1].float(), rtol=1e-4, atol=1e-7)
    assert rescaled[0] == pytest.approx(float(OWN[0])) and float(rescaled[-1]) == ALMOST_ZERO


def test_shifted_levels_have_a_signal_to_noise_ratio_times_the_factor():
    shifted = replaced_levels(OWN, part("noise", "shifted", factor=1 / 16))
    np.testing.assert_allclose(ratio(shifted), ratio(OWN) / 16, rtol=1e-3)


def test_cosine_and_scaled_linear_are_the_same_whatever_the_prior_has():
    assert torch.equal(replaced_levels(OWN, part("noise", "cosine")), cosine_levels(1000).float())
    assert torch.equal(replaced_levels(cosine_levels(1000), part("noise", "scaled-linear")), scaled_linear_levels(1000))


def test_a_prior_without_another_noise_keeps_its_schedule():
    schedule = DiscreteSchedule(OWN, "v_prediction")
    assert schedule.under(None) is schedule
    assert schedule.under(part("noise", "shifted")).prediction == "v_prediction"


def test_a_closed_form_prior_is_exact_under_any_noise():
    prior = Gaussian(Gaussian.Config(means={"red": (1.0, 0.0, 0.0)}, noise=part("noise", "shifted", factor=0.1)))
    np.testing.assert_allclose(ratio(prior.noise_schedule.alphas_cumprod), ratio(cosine_levels(1000)) / 10, rtol=1e-4)


@pytest.mark.slow
def test_a_config_replaces_the_noise_of_pretrained_weights():
    words = ["prompt=x", "prior.noise={type: shifted, factor: 0.5}"]
    spec = load_method("dreamfusion", words).method.stages["nerf"].config.guidance["sds"].prior
    own = load_method("dreamfusion", words[:1]).method.stages["nerf"].config.guidance["sds"].prior.build()
    schedule = spec.build().noise_schedule
    assert schedule.prediction == own.noise_schedule.prediction
    levels = own.noise_schedule.alphas_cumprod
    np.testing.assert_allclose(ratio(schedule.alphas_cumprod), ratio(levels) / 2, rtol=1e-3, atol=1e-9)


def test_a_noise_needs_a_type_where_the_prior_has_its_own():
    from maquette.priors.text.stable_diffusion import StableDiffusion

    with pytest.raises(ConfigError, match=r"prior.noise: a noise needs a 'type'; known: cosine, .*, zero-terminal-snr"):
        check(StableDiffusion.Config, {"path": "a/b", "noise": {"factor": 2}}, "prior", lambda key: None)

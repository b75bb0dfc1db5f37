"""The Gaussian prior is the oracle of one blurred picture; with it, objectives and scores have known answers.

Row 3 of the matrix of claims: the fixed point of SDS is the mean, that of guided SDS m_c + (s - 1)(m_c - m_u).
"""

import pytest
import torch

from maquette.config.parts import part
from maquette.config.schedules import Schedule
from maquette.data.formats.captioned import CaptionedViews
from maquette.diffusion.noise import replaced_levels
from maquette.errors import ConfigError
from maquette.objectives.sds import SDS
from maquette.priors.base import Request
from maquette.priors.oracle.gaussian import Gaussian
from maquette.priors.oracle.oracle import Oracle
from maquette.randomness import Draws, Moment
from maquette.scores.base import Score
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from maquette.scores.perp_neg import PerpNeg, add_perpendicular
from maquette.scores.plain import Plain
from views import around, front, rendering

MEANS = {
    "red": (0.8, 0.2, 0.2),
    "red, front view": (0.9, 0.7, 0.2),
    "red, side view": (0.7, 0.4, 0.3),
    "red, back view": (0.6, 0.1, 0.1),
}
AT = 600  # timestep


def gaussian(**config) -> Gaussian:
    return Gaussian(Gaussian.Config(**{"means": MEANS, "dtype": "float64", **config}))


def mean(text: str) -> torch.Tensor:
    return torch.tensor(MEANS[text]).double() * 2 - 1


def sds_gradient(prior: Gaussian, score: Score, picture: torch.Tensor, azimuth: float, count: int = 1) -> torch.Tensor:
    """The SDS gradient to z of each of `count` copies of a picture [H, W, 3], w = 1, at one timestep."""
    fixed = part("timesteps", "uniform", low=Schedule.constant(AT / 1000), high=Schedule.constant(AT / 1000))
    rgb = picture.expand(count, -1, -1, -1).clone().requires_grad_(True)
    views = around(*[azimuth] * count)
    conditions = prior.condition(Request("red")).at(views)
    objective = SDS(SDS.Config(timesteps=fixed, weighting="uniform"))
    objective(rendering(rgb), Denoiser(prior, score, conditions, views), Moment(0, 10, Draws(0, 0))).total().backward()
    return rgb.grad * count / 2  # the loss is a mean over pictures, and d z / d rgb is 2


def test_an_oracle_of_one_blurred_picture_is_gaussian():
    camera = front()
    flat = torch.tensor(MEANS["red"]).expand(1, 8, 8, 3)
    oracle = Oracle(
        Oracle.Config(spread=0.3, dtype="float64", device="cpu"), CaptionedViews.from_pictures({"red": flat}, camera)
    )
    prior, steps = gaussian(means={"red": MEANS["red"]}, deviation=0.3), torch.tensor([10, 400, 990])
    noisy, views = torch.randn(3, 3, 8, 8).double(), around(0.0, 0.0, 0.0)
    found = oracle.predict(noisy, steps, oracle.condition(Request("red")).at(views), views)["positive"]
    wanted = prior.predict(noisy, steps, prior.condition(Request("red")).at(views), views)["positive"]
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("levels", "theirs"), [("cosine", "squaredcos_cap_v2"), ("scaled-linear", "scaled_linear")])
def test_noise_levels_are_those_of_diffusers(levels, theirs):
    from diffusers import DDPMScheduler

    ends = {"beta_start": 0.00085, "beta_end": 0.012} if levels == "scaled-linear" else {}
    wanted = DDPMScheduler(beta_schedule=theirs, **ends).alphas_cumprod
    torch.testing.assert_close(
        replaced_levels(torch.ones(1000).double(), part("noise", levels)).float(), wanted, rtol=2e-4, atol=1e-9
    )


def test_view_words_have_means_of_their_own_and_fall_back_to_the_prompt():
    views = around(0.0, 180.0)
    found = gaussian(means={"red": MEANS["red"], "red, back view": MEANS["red, back view"]})
    positive = found.condition(Request("red")).at(views)["positive"].flatten(1)
    torch.testing.assert_close(positive, torch.stack([mean("red"), mean("red, back view")]), atol=1e-7, rtol=0)


def test_a_text_without_a_mean_is_refused():
    with pytest.raises(ConfigError, match=r"negative_prompt: the prior has no mean for 'ugly'; prior.means has ''"):
        gaussian().condition(Request("red", "ugly"))


def test_the_expected_sds_gradient_is_linear_in_the_distance_from_the_mean():
    # sigma alpha (z - m) / (sigma^2 + alpha^2 d^2), in the mean over 4,096 pixels' noise
    prior, picture = gaussian(), torch.full((64, 64, 3), 0.35)
    alpha, sigma = (level.flatten() for level in prior.noise_schedule.alpha_sigma(torch.tensor([AT])))
    total = sigma**2 + (alpha * 0.5) ** 2
    found = sds_gradient(prior, Plain(Plain.Config()), picture, 180.0)[0]
    wanted = sigma * alpha * (0.35 * 2 - 1 - mean("red, back view")) / total
    deviation = (sigma**2 / total - 1).abs() / 64  # of a mean of the noise's coefficient times n
    assert (found.mean(dim=(0, 1)) - wanted).abs().max() < 5 * deviation


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_guided_sds_has_its_fixed_point_beyond_the_mean(scale):
    prior, score = gaussian(), CFG(CFG.Config(scale=scale))
    fixed = mean("red, back view") + (scale - 1) * (mean("red, back view") - 0.0)  # grey is 0
    at_fixed = sds_gradient(prior, score, ((fixed + 1) / 2).expand(4, 4, 3), 180.0)
    alpha, sigma = prior.noise_schedule.alpha_sigma(torch.tensor([AT]))
    noise = Draws(0, 0).normal("noise", 1, 3, 4, 4).double().permute(0, 2, 3, 1)
    pure_noise = (sigma**2 / (sigma**2 + (alpha * 0.5) ** 2) - 1) * noise
    torch.testing.assert_close(at_fixed, pure_noise, rtol=1e-5, atol=1e-6)


def test_perp_neg_moves_the_fixed_point_by_what_of_the_negatives_is_perpendicular():
    # the prediction is linear in the mean, so Perp-Neg on predictions is Perp-Neg on means
    prior, score, azimuth = gaussian(), PerpNeg(PerpNeg.Config(scale=2.0)), 120.0
    between = (mean("red, back view") + 2 * mean("red, side view")) / 3
    directions = [value.view(1, 3, 1, 1) for value in (between, mean("red, front view"), mean("red, side view"))]
    moved = 2.0 * add_perpendicular(directions[0], directions[1:], score.weights(around(azimuth)).double()).flatten()
    found = sds_gradient(prior, score, ((moved + 1) / 2).expand(4, 4, 3), azimuth)
    alpha, sigma = prior.noise_schedule.alpha_sigma(torch.tensor([AT]))
    noise = Draws(0, 0).normal("noise", 1, 3, 4, 4).double().permute(0, 2, 3, 1)
    pure_noise = (sigma**2 / (sigma**2 + (alpha * 0.5) ** 2) - 1) * noise
    torch.testing.assert_close(found, pure_noise, rtol=1e-5, atol=1e-5)

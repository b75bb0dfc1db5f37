"""Regression on what the prior makes of the noised rendering."""

import torch
from torch.nn.functional import interpolate

from closed_form import CONDITIONS, DRAWS, STEP, TOTAL, Gaussian, flow, pulls
from maquette.config.schedules import Schedule
from maquette.objectives.direct_sampling import DirectSampling
from maquette.randomness import Moment
from maquette.scores.denoiser import Denoiser
from maquette.scores.plain import Plain
from views import front, rendering

RGB = torch.rand(2, 4, 4, 3, generator=torch.Generator().manual_seed(0))
PLAIN = Plain(Plain.Config())


# The loss is a mean over 2 x 4 x 4 x 3 = 96 colours, and pixels run twice as far as colours: G = (z - target) / 96.


def noised(z: torch.Tensor, t: int) -> tuple[torch.Tensor, tuple[float, float]]:
    alpha, sigma = (float(part) for part in Gaussian().noise_schedule.alpha_sigma(torch.tensor([t])))
    return alpha * z + sigma * DRAWS.normal("noise", *z.shape), (alpha, sigma)


def test_with_many_steps_the_target_is_where_the_probability_flow_ends():
    prior = Gaussian()
    z = prior.encode(RGB)
    noisy, level = noised(z, 400)
    end = flow(prior, noisy, CONDITIONS["positive"], level, (1.0, 0.0))
    objective = DirectSampling(DirectSampling.Config(start=Schedule.constant(0.4), steps=1000))
    torch.testing.assert_close(pulls(objective, RGB, PLAIN), (z - end) / 96, rtol=0.02, atol=1e-4)


def test_one_step_is_the_clean_prediction():
    prior = Gaussian()
    z = prior.encode(RGB)
    noisy, (alpha, sigma) = noised(z, 400)
    predicted = prior.predict(noisy, torch.tensor([400, 400]), CONDITIONS, None)["positive"]
    objective = DirectSampling(DirectSampling.Config(start=Schedule.constant(0.4), steps=2))
    wanted = (z - (noisy - sigma * predicted) / alpha) / 96
    torch.testing.assert_close(pulls(objective, RGB, PLAIN), wanted, rtol=1e-4, atol=1e-6)


def test_less_and_less_noise_is_put_on():
    seen = DirectSampling(DirectSampling.Config())
    levels = [
        seen(rendering(RGB), Denoiser(Gaussian(), PLAIN, CONDITIONS, front(2)), Moment(step, TOTAL, DRAWS)).logs[
            "timestep"
        ]
        for step in (0, 5, 10)
    ]
    assert levels == [200, 125, 50]


def test_drawn_latents_are_compared_as_latents():
    class Blind(Gaussian):
        """Denoises 2 x 2 latents and cannot show them."""

        def encode(self, rgb):
            return interpolate(super().encode(rgb), (2, 2))

        def decode(self, latents):
            raise AssertionError("nothing needs decoding")

    latents = torch.randn(2, 2, 2, 3, requires_grad=True)
    objective = DirectSampling(DirectSampling.Config())
    terms = objective(
        rendering(RGB, latents=latents), Denoiser(Blind(), PLAIN, CONDITIONS, front(2)), Moment(STEP, TOTAL, DRAWS)
    )
    terms.total().backward()
    assert latents.grad.abs().sum() > 0

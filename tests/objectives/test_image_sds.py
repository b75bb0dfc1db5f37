"""Score distillation in latents and pictures at once."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from closed_form import CONDITIONS, DRAWS, STEP, TOTAL, Gaussian, guided
from maquette.config.schedules import Schedule
from maquette.objectives.base import draw_timesteps
from maquette.objectives.image_sds import ImageSDS
from maquette.randomness import Moment
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from views import front, rendering


class Pooled(Gaussian):
    """Latents are means over 2 x 2 pixels; it counts how often it decodes."""

    decoded = 0

    def encode(self, rgb):
        return avg_pool2d(super().encode(rgb), 2)

    def decode(self, latents):
        self.decoded += 1
        return super().decode(interpolate(latents, scale_factor=2))


RGB = torch.rand(2, 8, 8, 3, generator=torch.Generator().manual_seed(0))


def gradient(config: ImageSDS.Config, prior: Pooled) -> torch.Tensor:
    rgb = RGB.clone().requires_grad_(True)
    terms = ImageSDS(config)(
        rendering(rgb), Denoiser(prior, CFG(CFG.Config(scale=4.0)), CONDITIONS, front(2)), Moment(STEP, TOTAL, DRAWS)
    )
    terms.total().backward()
    return rgb.grad


@pytest.mark.parametrize("weighting", ["x0", "sigma2"])
def test_both_terms_pull_towards_the_predicted_clean_picture(weighting):
    prior = Pooled()
    rgb = RGB.clone().requires_grad_(True)
    z = prior.encode(rgb)
    t = draw_timesteps(prior, 2, ImageSDS.Config().timesteps, Moment(STEP, TOTAL, DRAWS))
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    with torch.no_grad():
        noisy = alpha * z + sigma * DRAWS.normal("noise", *z.shape)
        clean = (noisy - sigma * guided(prior, noisy, t)) / alpha
        picture = prior.decode(clean)
    weight = torch.ones_like(alpha) if weighting == "x0" else alpha * sigma  # sigma^2 over sigma / alpha
    loss = (weight * (z - clean).square()).sum() + 0.3 * (weight * (rgb - picture).square()).sum()
    (loss / 2 / 2).backward()
    config = ImageSDS.Config(weighting=weighting, image=Schedule.constant(0.3))
    torch.testing.assert_close(gradient(config, prior), rgb.grad, rtol=1e-3, atol=1e-4)


def test_where_the_picture_weighs_nothing_nothing_is_decoded():
    prior = Pooled()
    gradient(ImageSDS.Config(image=Schedule.constant(0.0)), prior)
    assert prior.decoded == 0
    gradient(ImageSDS.Config(), prior)
    assert prior.decoded == 1

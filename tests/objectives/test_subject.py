"""What the prior is asked about: latents where they are drawn, else the encoded picture."""

import pytest
import torch
from torch.nn.functional import interpolate

from closed_form import CONDITIONS, DRAWS, STEP, TOTAL, Gaussian
from maquette.errors import ConfigError
from maquette.objectives.base import denoiser_input
from maquette.objectives.sds import SDS
from maquette.randomness import Moment
from maquette.scores.denoiser import Denoiser
from maquette.scores.plain import Plain
from views import front, rendering


class Latent(Gaussian):
    """Denoises 6 x 6 latents of four channels; it counts how many pictures it encodes."""

    encoded = 0

    def encode(self, rgb):
        self.encoded += len(rgb)
        pixels = interpolate(super().encode(rgb), (6, 6))
        return torch.cat([pixels, pixels[:, :1]], dim=1)


RGB = torch.rand(2, 8, 8, 3)


def test_a_picture_is_encoded():
    prior = Latent()
    assert torch.equal(denoiser_input(rendering(RGB), prior), prior.encode(RGB))


def test_latents_are_taken_as_they_are_and_resized_to_the_priors_grid():
    same = torch.randn(2, 6, 6, 4)
    assert torch.equal(denoiser_input(rendering(RGB, latents=same), Latent()), same.permute(0, 3, 1, 2))
    larger = torch.full((2, 12, 12, 4), 0.7)
    torch.testing.assert_close(denoiser_input(rendering(RGB, latents=larger), Latent()), torch.full((2, 4, 6, 6), 0.7))


def test_drawn_latents_cost_no_encoding_but_the_one_that_finds_the_grid():
    prior = Latent()
    for _ in range(3):
        latents = torch.randn(2, 6, 6, 4, requires_grad=True)
        terms = SDS(SDS.Config())(
            rendering(RGB, latents=latents),
            Denoiser(prior, Plain(Plain.Config()), CONDITIONS, front(2)),
            Moment(STEP, TOTAL, DRAWS),
        )
        terms.total().backward()
        assert latents.grad.abs().sum() > 0
    assert prior.encoded == 1


def test_a_prior_of_pixels_refuses_latents():
    with pytest.raises(ConfigError, match="has 4 latent channels, but the prior denoises 3; only a latent prior"):
        denoiser_input(rendering(RGB, latents=torch.randn(2, 4, 4, 4)), Gaussian())

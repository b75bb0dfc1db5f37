"""The velocity loss and the sampler, against a model that knows the one picture there is."""

from dataclasses import dataclass

import pytest
import torch

from maquette.images.pixels import to_pixels
from maquette.learners._diffusion import (
    DiffusionLearner,
    UNetSizes,
    VelocityDiffusion,
    held_out_batches,
    shift_timesteps,
    small_unet,
)
from maquette.randomness import Draws

PICTURE = torch.rand(1, 8, 8, 3, generator=torch.Generator().manual_seed(0))
DIFFUSION = VelocityDiffusion(snr_gamma=5.0)


def exact(noisy: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Velocity alpha e - sigma x of the picture x."""
    schedule, clean = DIFFUSION.noise_schedule, to_pixels(PICTURE)
    alpha, sigma = schedule.alpha_sigma(t.expand(len(noisy)))
    return alpha * (noisy - alpha * clean) / sigma - sigma * clean


def test_a_diffusion_model_that_knows_its_picture_has_no_loss():
    assert float(DIFFUSION.loss(exact, PICTURE.repeat(8, 1, 1, 1), Draws(0, 0))) == pytest.approx(0, abs=1e-6)
    assert float(DIFFUSION.loss(lambda noisy, t: 0 * noisy, PICTURE, Draws(0, 0))) > 0.01


def test_pictures_of_a_group_share_their_timestep():
    seen = []

    def velocity(noisy, t):
        seen.extend(t.tolist())
        return noisy

    DIFFUSION.loss(velocity, PICTURE.repeat(6, 1, 1, 1), Draws(0, 0), group_size=3)
    assert len(set(seen[:3])) == len(set(seen[3:])) == 1 and seen[0] != seen[3]


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_sampling_under_the_exact_velocity_ends_at_the_picture(scale):
    noise = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(DIFFUSION.sample(exact, noise, steps=8, scale=scale), PICTURE, atol=0.01, rtol=0)


def test_a_shift_keeps_the_ends_and_raises_the_middle():
    t = torch.arange(1000)
    shifted = shift_timesteps(t, 1000, 3.0)
    assert (shifted.diff() >= 0).all() and shifted[0] == 0 and shifted[-1] == 999 and shifted[500] == 750
    assert torch.equal(shift_timesteps(t, 1000, 1.0), t)


def test_held_out_examples_come_in_batches_with_draws_of_their_own():
    class Sizes:
        def held_out(self, draws, size):
            return float(draws.uniform("x", 1)), size

    batches = [batch for batch, _ in held_out_batches(Sizes(), Draws(0, 0), 10, 4)]
    assert [size for _, size in batches] == [4, 4, 2] and len({number for number, _ in batches}) == 3


def test_a_small_unet_has_the_sizes_that_it_is_told():
    sizes = UNetSizes(size=8, widths=(16, 32), layers=1, heads=2, attention_levels=1)
    output = small_unet(sizes, 3, 6, 12)(torch.zeros(1, 3, 8, 8), torch.tensor([5]), torch.zeros(1, 4, 12)).sample
    assert output.shape == (1, 6, 8, 8)


def test_a_smaller_last_batch_counts_by_its_size():
    class Sizes(DiffusionLearner):
        """Its loss is the size of the batch."""

        @dataclass
        class Config:
            evaluated: int = 10

        config, averaged = Config(), None

        def build(self, dataset):
            """Nothing is trained."""

        def save(self, folder):
            """Nothing is saved."""

        def velocity_loss(self, networks, batch, draws):
            return torch.tensor(float(batch))

    batches = [(size, Draws(0, 0)) for size in (4, 4, 2)]
    assert Sizes().held_out_velocity(batches, chunk=4) == pytest.approx((4 * 4 + 4 * 4 + 2 * 2) / 10)

"""An autoencoder that is kept on the CPU comes for a use and goes after it."""

import pytest
import torch
from diffusers import AutoencoderKL

from maquette.priors.autoencoder import PictureCodec


class Traveller(AutoencoderKL):
    """Stays on the CPU, and notes where it was sent."""

    def to(self, device):
        self.place = str(device)
        return self


@pytest.fixture
def pictures() -> PictureCodec:
    torch.manual_seed(0)
    vae = Traveller(block_out_channels=(16, 16), latent_channels=4, norm_num_groups=8,
                    down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)  # fmt: skip
    made = PictureCodec(vae.requires_grad_(False), 16, torch.device("cpu", 0), offload=True)
    vae.place = "cpu"
    return made


def test_it_goes_after_encoding_and_decoding(pictures):
    latents = pictures.encode(torch.rand(1, 16, 16, 3))
    assert pictures.vae.place == "cpu"
    pictures.decode(latents)
    assert pictures.vae.place == "cpu"


def test_it_stays_until_all_gradients_have_passed(pictures):
    rgb = torch.rand(1, 16, 16, 3, requires_grad=True)
    first, second = pictures.encode(rgb), pictures.encode(rgb)
    assert pictures.vae.place == "cpu:0"
    first.sum().backward()
    assert pictures.vae.place == "cpu:0"
    second.sum().backward()
    assert pictures.vae.place == "cpu" and rgb.grad.abs().sum() > 0

"""An autoencoder that is kept on the CPU comes for a use and goes after it."""

import pytest
import torch
from diffusers import AutoencoderKL

from maquette.errors import ConfigError
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


def test_a_mean_and_deviation_of_latents_are_those_of_the_original_pipeline(tiny_stable_diffusion):
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(tiny_stable_diffusion, subfolder="vae", torch_dtype=torch.float32)
    mean, std = [-1.6574, 1.886, -1.383, 2.5155], [8.4927, 5.9022, 6.5498, 5.2299]  # of Playground 2.5
    vae.register_to_config(latents_mean=mean, latents_std=std, scaling_factor=0.5)
    codec, rgb = PictureCodec(vae, 32, torch.device("cpu")), torch.rand(1, 32, 32, 3)
    with torch.no_grad():
        raw = vae.encode(2 * rgb.permute(0, 3, 1, 2) - 1).latent_dist.mean
        latents = codec.encode(rgb)
    mean, std = (torch.tensor(values).view(1, 4, 1, 1) for values in (mean, std))
    torch.testing.assert_close(latents, (raw - mean) * 0.5 / std)
    torch.testing.assert_close(codec.unscale(latents), latents * std / 0.5 + mean)


@pytest.mark.parametrize(
    "change",
    [
        {"scaling_factor": None},
        {"scaling_factor": "x"},
        {"latents_std": 5},
        {"latents_mean": [1, 2]},
        {"latents_std": [0]},
    ],
)
def test_scales_that_are_no_numbers_are_refused(change, tiny_stable_diffusion):
    vae = AutoencoderKL.from_pretrained(tiny_stable_diffusion, subfolder="vae", torch_dtype=torch.float32)
    vae.register_to_config(**change)
    with pytest.raises(ConfigError, match=r"^prior\.path: the autoencoder's config has scaling_factor"):
        PictureCodec(vae, 32, torch.device("cpu"))


@pytest.mark.parametrize("shape", [(12, 16), (16, 12), (12, 20)])
def test_pictures_that_are_not_square_get_the_size_of_the_model(pictures, shape):
    assert pictures.preprocess(torch.rand(1, *shape, 3)).shape == (1, 3, 16, 16)

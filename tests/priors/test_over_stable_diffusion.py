"""A prior around a Stable Diffusion shares its latents, its noise schedule and its device."""

import torch

from maquette.priors.text.controlnet import ControlNet
from maquette.priors.text.instruct_pix2pix import InstructPix2Pix
from maquette.priors.text.over_stable_diffusion import OverStableDiffusion


def test_a_prior_over_stable_diffusion_encodes_and_decodes_as_its_model_does(tiny_edits):
    assert issubclass(ControlNet, OverStableDiffusion) and issubclass(InstructPix2Pix, OverStableDiffusion)
    prior = InstructPix2Pix(InstructPix2Pix.Config(path=str(tiny_edits), dtype="float32", device="cpu"))
    rgb = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    latents = prior.encode(rgb)
    assert torch.equal(latents, prior.model.encode(rgb))
    assert torch.equal(prior.decode(latents), prior.model.decode(latents))
    assert prior.noise_schedule is prior.model.noise_schedule and prior.device == torch.device("cpu")

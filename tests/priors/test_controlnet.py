"""ControlNet against diffusers' own pipeline with the same weights, and what of the rendering it goes by."""

from pathlib import Path

import pytest
import torch
from by_hand import assert_same, denoised, with_ddim
from given_conditions import given

from maquette.errors import ConfigError
from maquette.priors.base import ControlInputs, Request
from maquette.priors.text.control_pictures import depth_picture
from maquette.priors.text.controlnet import ControlNet
from maquette.scores.cfg import CFG
from views import around

VIEW, STEP = around(0.0), torch.tensor([400])
NOISY = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))


def load(path: Path, controlnet: Path, control: str = "depth", **config) -> ControlNet:
    settings = {"dtype": "float32", "device": "cpu", "view_dependent": False, **config}
    return ControlNet(ControlNet.Config(path=str(path), controlnet=str(controlnet), control=control, **settings))


def seen(seed: int = 0, size: int = 32) -> ControlInputs:
    """Something drawn, with nothing in its first rows."""
    keyed = torch.Generator().manual_seed(seed)
    opacity = torch.ones(1, size, size, 1)
    opacity[:, :4] = 0
    depth = opacity * (1 + torch.rand(1, size, size, 1, generator=keyed))
    normal = opacity * torch.nn.functional.normalize(torch.randn(1, size, size, 3, generator=keyed), dim=-1)
    return ControlInputs(torch.rand(1, size, size, 3, generator=keyed), opacity, depth, normal)


def test_guided_denoising_is_that_of_the_original_pipeline(tiny_stable_diffusion, tiny_control):
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    control = ControlNetModel.from_pretrained(tiny_control, torch_dtype=torch.float32)
    pipeline = with_ddim(
        StableDiffusionControlNetPipeline.from_pretrained(
            tiny_stable_diffusion, controlnet=control, torch_dtype=torch.float32
        )
    )
    wanted = pipeline(
        "a red mug", depth_picture(seen()).permute(0, 3, 1, 2), negative_prompt="a", num_inference_steps=4,
        guidance_scale=7.0, controlnet_conditioning_scale=0.7, latents=NOISY, output_type="latent",
    ).images  # fmt: skip
    prior = load(tiny_stable_diffusion, tiny_control, scale=0.7)
    conditions = prior.with_control(prior.condition(Request("a red mug", "a")).at(VIEW), seen())
    found = denoised(prior, CFG(CFG.Config(scale=7.0)), conditions, VIEW, NOISY, pipeline.scheduler.timesteps)
    assert_same(found, wanted)


@pytest.mark.parametrize("control", ["depth", "normal", "canny"])
def test_every_prediction_goes_by_what_is_shown(control, tiny_stable_diffusion, tiny_control):
    prior = load(tiny_stable_diffusion, tiny_control, control)
    conditions = prior.condition(Request("a red mug")).at(VIEW)
    assert conditions.keys() == given(prior)
    one, other = (prior.predict(NOISY, STEP, prior.with_control(conditions, seen(seed)), VIEW) for seed in (0, 1))
    assert not any(torch.allclose(one[name], other[name]) for name in one)


def test_a_scale_of_zero_leaves_stable_diffusion(tiny_stable_diffusion, tiny_control):
    from maquette.priors.text.stable_diffusion import StableDiffusion

    plain = StableDiffusion(
        StableDiffusion.Config(path=str(tiny_stable_diffusion), dtype="float32", device="cpu", view_dependent=False)
    )
    prior = load(tiny_stable_diffusion, tiny_control, scale=0.0)
    request = Request("a red mug")
    found = prior.predict(NOISY, STEP, prior.with_control(prior.condition(request).at(VIEW), seen()), VIEW)
    wanted = plain.predict(NOISY, STEP, plain.condition(request).at(VIEW), VIEW)
    torch.testing.assert_close(found["positive"], wanted["positive"], rtol=1e-5, atol=1e-5)


def test_a_rendering_of_another_size_is_brought_to_the_models(tiny_stable_diffusion, tiny_control):
    prior = load(tiny_stable_diffusion, tiny_control)
    conditions = prior.with_control(prior.condition(Request("a red mug")).at(VIEW), seen(size=12))
    assert conditions["positive"].picture.shape == (1, 3, 32, 32)


@pytest.mark.parametrize("kind", ["lora", "copy"])
def test_a_trainable_copy_begins_as_the_prior_and_the_control_does_not_learn(kind, tiny_stable_diffusion, tiny_control):
    prior = load(tiny_stable_diffusion, tiny_control)
    told = prior.with_control(prior.condition(Request("a red mug")).at(VIEW), seen())["viewless"]
    copy = prior.trainable_copy(kind, rank=2)
    output = copy(NOISY, STEP, told, VIEW.c2w.flatten(1))
    wanted = prior.predict(NOISY, STEP, {"viewless": told}, VIEW)["viewless"]
    torch.testing.assert_close(prior.noise_schedule.epsilon(output, NOISY, STEP), wanted, rtol=1e-4, atol=1e-4)
    output.square().sum().backward()
    assert all(parameter.grad is None for parameter in prior._control.parameters())
    assert any(parameter.grad is not None for parameter in copy.parameters())


def test_a_controlnet_of_another_family_is_refused(tiny_xl, tiny_stable_diffusion, tmp_path):
    from diffusers import ControlNetModel, UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(tiny_stable_diffusion, subfolder="unet", torch_dtype=torch.float32)
    wider = UNet2DConditionModel.from_config({**unet.config, "cross_attention_dim": 40})
    ControlNetModel.from_unet(wider).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"prior\.controlnet: the cross_attention_dim of .* is 40, and that of .* 32"):
        load(tiny_stable_diffusion, tmp_path)
    with pytest.raises(ConfigError, match=r"prior\.controlnet: cannot load ControlNetModel of"):
        load(tiny_stable_diffusion, tiny_xl)


def test_what_it_was_trained_on_has_to_be_said(tiny_stable_diffusion, tiny_control):
    from maquette.config.parts import PriorSpec, check

    spec = {"type": "controlnet", "path": str(tiny_stable_diffusion), "controlnet": str(tiny_control)}
    with pytest.raises(ConfigError, match="control"):
        check(PriorSpec, spec, "prior", lambda key: None)

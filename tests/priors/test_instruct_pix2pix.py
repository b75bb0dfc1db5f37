"""InstructPix2Pix against diffusers' own pipeline with the same weights."""

from pathlib import Path

import pytest
import torch
from by_hand import assert_same, denoised, with_ddim

from maquette.config.parts import check
from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.text.instruct_pix2pix import InstructPix2Pix
from maquette.scores.cfg_two import CFGTwo
from maquette.stages.optimise import Guidance
from views import around

RGB = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
VIEW = around(0.0)


def load(path: Path) -> InstructPix2Pix:
    return InstructPix2Pix(InstructPix2Pix.Config(path=str(path), dtype="float32", device="cpu"))


def test_guided_denoising_is_that_of_the_original_pipeline(tiny_edits):
    from diffusers import StableDiffusionInstructPix2PixPipeline

    pipeline = with_ddim(StableDiffusionInstructPix2PixPipeline.from_pretrained(tiny_edits, torch_dtype=torch.float32))
    noisy = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    wanted = pipeline(
        "a red mug", RGB.permute(0, 3, 1, 2), num_inference_steps=4, guidance_scale=7.5, image_guidance_scale=1.5,
        latents=noisy, output_type="latent",
    ).images  # fmt: skip

    prior, score = load(tiny_edits), CFGTwo(CFGTwo.Config(image_scale=1.5, text_scale=7.5))
    conditions = prior.with_source_picture(prior.condition(Request("a red mug")).at(VIEW), RGB)
    found = denoised(prior, score, conditions, VIEW, noisy, pipeline.scheduler.timesteps)
    assert_same(found, wanted)


def test_only_what_is_told_the_picture_depends_on_it(tiny_edits):
    prior, t = load(tiny_edits), torch.tensor([400])
    noisy = torch.randn(1, 4, 16, 16)
    conditions = prior.condition(Request("a red mug")).at(VIEW)
    assert conditions.keys() == {"positive", "image", "unconditional"}
    one, other = (prior.predict(noisy, t, prior.with_source_picture(conditions, rgb), VIEW) for rgb in (RGB, 1 - RGB))
    same = {name: torch.allclose(one[name], other[name]) for name in one}
    assert same == {"positive": False, "image": False, "unconditional": True}


def test_weights_without_a_place_for_the_picture_are_refused(tiny_stable_diffusion):
    with pytest.raises(ConfigError, match="takes 4 channels, and one that edits pictures takes 8"):
        load(tiny_stable_diffusion)


def test_an_objective_that_does_not_say_which_picture_is_refused(tiny_edits):
    spec = {"prior": {"type": "instruct-pix2pix", "path": str(tiny_edits)}, "score": "cfg", "objective": "sds"}
    with pytest.raises(ConfigError, match="'sds' does not give it one; objectives that do: dataset-update"):
        check(Guidance, spec, "guidance", lambda key: None)
    check(Guidance, {**spec, "score": "cfg-two", "objective": "dataset-update"}, "guidance", lambda key: None)

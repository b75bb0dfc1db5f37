"""SDXL's layout against diffusers' own pipeline with the same weights."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from by_hand import assert_same, denoised, with_ddim
from safetensors.torch import save_file

from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.text.lora import LoraFile
from maquette.priors.text.stable_diffusion_xl import StableDiffusionXL
from maquette.scores.cfg import CFG
from views import around

VIEW = around(0.0)


def load(path: Path, **config) -> StableDiffusionXL:
    settings = {"dtype": "float32", "device": "cpu", "view_dependent": False, **config}
    return StableDiffusionXL(StableDiffusionXL.Config(path=str(path), **settings))


def conditions(prior: StableDiffusionXL, prompt: str, negative: str = "") -> dict[str, torch.Tensor]:
    return prior.condition(Request(prompt, negative)).at(VIEW)


def original(path: Path, prediction: str, noisy: torch.Tensor, negative: str | None):
    """The pipeline that has sampled latents, and these."""
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_pretrained(path, torch_dtype=torch.float32, add_watermarker=False)
    pipeline.scheduler.register_to_config(prediction_type=prediction)
    pipeline = with_ddim(pipeline)
    latents = pipeline(
        "a red mug", negative_prompt=negative, num_inference_steps=4, guidance_scale=7.0, latents=noisy,
        output_type="latent",
    ).images  # fmt: skip
    return pipeline, latents


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("negative", [None, "a"])
def test_guided_denoising_is_that_of_the_original_pipeline(prediction, negative, tiny_xl):
    noisy = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    pipeline, wanted = original(tiny_xl, prediction, noisy, negative)
    prior = load(tiny_xl)
    prior.noise_schedule = replace(prior.noise_schedule, prediction=prediction)
    told = conditions(prior, "a red mug", negative or "")
    found = denoised(prior, CFG(CFG.Config(scale=7.0)), told, VIEW, noisy, pipeline.scheduler.timesteps)
    assert_same(found, wanted)


def test_pictures_are_encoded_as_the_original_scales_them(tiny_xl):
    from diffusers import AutoencoderKL

    rgb = torch.rand(1, 32, 32, 3)
    vae = AutoencoderKL.from_pretrained(tiny_xl, subfolder="vae", torch_dtype=torch.float32)
    wanted = vae.encode(rgb.permute(0, 3, 1, 2) * 2 - 1).latent_dist.mean * 0.13025
    prior = load(tiny_xl, dtype="bfloat16")
    torch.testing.assert_close(prior.encode(rgb), wanted)
    assert prior.size == 32 and prior.encode(rgb).dtype == torch.float32


def test_a_trainable_copy_begins_as_the_prior(tiny_xl):
    prior, steps, noisy = load(tiny_xl), torch.tensor([400]), torch.randn(1, 4, 16, 16)
    told = conditions(prior, "a red mug")
    copy = prior.trainable_copy("lora", rank=2)
    found = prior.noise_schedule.epsilon(copy(noisy, steps, told["viewless"], VIEW.c2w.flatten(1)), noisy, steps)
    wanted = prior.predict(noisy, steps, {"viewless": told["viewless"]}, VIEW)["viewless"]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_each_encoder_has_a_lora_of_its_own(tiny_xl, tmp_path):
    plain = conditions(load(tiny_xl), "a red mug")["positive"]
    layer = "text_model_encoder_layers_0_self_attn_q_proj"
    for name, width, changed in (("te1", 16, slice(0, 16)), ("te2", 24, slice(16, 40))):
        halves = {"lora_down": torch.randn(2, width), "lora_up": torch.randn(width, 2)}
        file = tmp_path / f"{name}.safetensors"
        save_file({f"lora_{name}_{layer}.{half}.weight": value for half, value in halves.items()}, file)
        found = conditions(load(tiny_xl, lora=(LoraFile(str(file)),)), "a red mug")["positive"]
        differs = (found - plain).abs()[0, :-1].amax(0) > 1e-6
        assert differs[changed].all() and differs.sum() == width


def test_a_learned_word_has_vectors_for_each_encoder(tiny_xl, tmp_path):
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    red = CLIPTokenizer.from_pretrained(tiny_xl, subfolder="tokenizer")("red", add_special_tokens=False).input_ids
    encoders = {"clip_l": (CLIPTextModel, "text_encoder"), "clip_g": (CLIPTextModelWithProjection, "text_encoder_2")}
    vectors = {
        name: cls.from_pretrained(tiny_xl, subfolder=part).get_input_embeddings().weight[red].detach().clone()
        for name, (cls, part) in encoders.items()
    }
    save_file(vectors, tmp_path / "crimson.safetensors")
    found = conditions(load(tiny_xl, embeddings=(str(tmp_path / "crimson.safetensors"),)), "a crimson mug")
    torch.testing.assert_close(found["positive"], conditions(load(tiny_xl), "a red mug")["positive"])

    save_file({"<crimson>": vectors["clip_l"]}, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="no textual inversion with clip_l: it holds <crimson>"):
        conditions(load(tiny_xl, embeddings=(str(tmp_path / "other.safetensors"),)), "a mug")


def test_the_refiner_and_other_families_are_refused(tiny_xl, tiny_stable_diffusion, tmp_path):
    with pytest.raises(ConfigError, match=r"prior\.type=stable-diffusion$"):
        load(tiny_stable_diffusion)
    shutil.copytree(tiny_xl, tmp_path / "refiner")
    index = json.loads((tmp_path / "refiner" / "model_index.json").read_text())
    (tmp_path / "refiner" / "model_index.json").write_text(json.dumps({**index, "text_encoder": [None, None]}))
    with pytest.raises(ConfigError, match=r"are CLIPTextModelWithProjection, .* no prior here is for such a model"):
        load(tmp_path / "refiner")

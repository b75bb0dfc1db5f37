"""DeepFloyd IF's layout against diffusers' own pipeline with the same weights."""

from pathlib import Path

import pytest
import torch
from by_hand import assert_same, denoised, with_ddim
from safetensors.torch import save_file

from maquette.errors import ConfigError, MissingDependency
from maquette.priors.base import Request
from maquette.priors.text.deepfloyd_if import DeepFloydIF
from maquette.scores.cfg import CFG
from views import around

VIEW = around(0.0)


def load(path: Path, **config) -> DeepFloydIF:
    settings = {"dtype": "float32", "device": "cpu", "view_dependent": False, **config}
    return DeepFloydIF(DeepFloydIF.Config(path=str(path), **settings))


def text(prior: DeepFloydIF, prompt: str) -> torch.Tensor:
    return prior.condition(Request(prompt)).at(VIEW)["positive"]


def test_guided_denoising_is_that_of_the_original_pipeline(tiny_if):
    from diffusers import IFPipeline

    pipeline = with_ddim(IFPipeline.from_pretrained(tiny_if, torch_dtype=torch.float32))
    seen = []
    pipeline(
        "A red mug ", negative_prompt="side", num_inference_steps=4, guidance_scale=7.0, clean_caption=False,
        generator=torch.Generator().manual_seed(2), callback=lambda i, t, pixels: seen.append(pixels), output_type="pt",
    )  # fmt: skip
    prior = load(tiny_if)
    noisy = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    conditions = prior.condition(Request("A red mug ", "side")).at(VIEW)
    found = denoised(prior, CFG(CFG.Config(scale=7.0)), conditions, VIEW, noisy, pipeline.scheduler.timesteps)
    assert_same(found, seen[-1])


def test_it_denoises_pixels_without_an_autoencoder(tiny_if):
    prior = load(tiny_if)
    rgb = torch.rand(1, 16, 16, 3)
    torch.testing.assert_close(prior.decode(prior.encode(rgb)), rgb)
    assert prior.channels == 3 and prior.noise_schedule.prediction == "epsilon" and prior.encode(rgb).min() < 0


def test_a_learned_word_is_found_whatever_its_case(tiny_if, tmp_path):
    from transformers import T5EncoderModel, T5Tokenizer

    tokenizer = T5Tokenizer.from_pretrained(tiny_if, subfolder="tokenizer")
    encoder = T5EncoderModel.from_pretrained(tiny_if, subfolder="text_encoder", torch_dtype=torch.float32)
    red = tokenizer.convert_tokens_to_ids("▁red")
    save_file({"<Crimson>": encoder.get_input_embeddings().weight[red].detach().clone()}, tmp_path / "a.safetensors")
    found = text(load(tiny_if, embeddings=(str(tmp_path / "a.safetensors"),)), "a <Crimson> mug")
    torch.testing.assert_close(found, text(load(tiny_if), "a red mug"))


def test_a_tokenizer_that_cannot_be_read_says_what_to_install(tiny_if, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(tiny_if, tmp_path / "model")
    (tmp_path / "model" / "tokenizer" / "tokenizer.json").unlink()
    monkeypatch.setattr("transformers.utils.is_sentencepiece_available", lambda: False)
    with pytest.raises(MissingDependency, match=r"pip install 'maquette\[t5\]'"):
        text(load(tmp_path / "model"), "a mug")


def test_models_of_other_families_are_refused_with_the_prior_that_is_for_them(tiny_pixel_model):
    with pytest.raises(
        ConfigError, match=r"CLIPTextModel, and prior 'deepfloyd-if' .* say prior\.type=stable-diffusion"
    ):
        load(tiny_pixel_model)

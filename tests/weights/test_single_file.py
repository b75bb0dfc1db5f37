"""A Stable Diffusion in one file gives what the same tensors give in a folder."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_mvdream import save_file_layout, state

from maquette.cameras import orbit_cameras
from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.inspection import inspect_prior
from maquette.priors.mvdream.layouts import OPEN_CLIP, UNET, VAE
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.weights import ldm, ldm_clip

SPEC = {"modelspec.prediction_type": "v"}


def tensors() -> dict[str, torch.Tensor]:
    """A reduced Stable Diffusion 2: a reduced MVDream without its camera."""
    return {name: tensor for name, tensor in state().items() if "camera_embed" not in name}


def load(path: Path, **config) -> StableDiffusion:
    return StableDiffusion(StableDiffusion.Config(path=str(path), dtype="float32", device="cpu", size=16, **config))


@pytest.fixture
def tokenizer(tmp_path) -> str:
    return save_file_layout(tmp_path, tensors())["tokenizer"]


def save_folder(folder: Path, tokenizer: str) -> Path:
    """The same tensors in diffusers' layout."""
    from diffusers import DDPMScheduler
    from transformers import AutoTokenizer

    parts = {
        "vae": ["diffusers", "AutoencoderKL"], "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDPMScheduler"],
    }  # fmt: skip
    folder.mkdir()
    (folder / "model_index.json").write_text(json.dumps(parts))
    ldm.unet(ldm.tensors_with_prefix(tensors(), UNET), "", sample_size=8).save_pretrained(folder / "unet")
    ldm.vae(ldm.tensors_with_prefix(tensors(), VAE), "").save_pretrained(folder / "vae")
    encoder = ldm_clip.open_clip(ldm.tensors_with_prefix(tensors(), OPEN_CLIP), "")
    encoder.save_pretrained(folder / "text_encoder")
    AutoTokenizer.from_pretrained(tokenizer, subfolder="tokenizer").save_pretrained(folder / "tokenizer")
    DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="v_prediction"
    ).save_pretrained(folder / "scheduler")
    return folder


def noise(prior: StableDiffusion) -> torch.Tensor:
    one = torch.ones(2)
    views = orbit_cameras(torch.tensor([0.0, 180.0]), 0 * one, 3 * one, 40 * one, 16)
    torch.manual_seed(0)
    latents = prior.encode(torch.rand(2, 16, 16, 3))
    conditions = prior.condition(Request("a red mug")).at(views)
    return prior.predict(latents, torch.tensor([10, 900]), {"positive": conditions["positive"]}, views)["positive"]


def test_a_single_file_predicts_what_the_folder_predicts(tokenizer, tmp_path):
    save_file(tensors(), tmp_path / "style.safetensors", SPEC)
    folder = load(save_folder(tmp_path / "folder", tokenizer))
    assert torch.equal(noise(load(tmp_path / "style.safetensors", tokenizer=tokenizer)), noise(folder))


def test_a_value_that_is_not_finite_is_named(tokenizer, tmp_path):
    spoilt = tensors()
    spoilt[f"{UNET}out.2.bias"][0] = float("nan")
    save_file(spoilt, tmp_path / "style.safetensors", SPEC)
    with pytest.raises(ConfigError, match=r"prior\.path: the tensor out\.2\.bias in the UNet in .*style\.safetensors"):
        load(tmp_path / "style.safetensors", tokenizer=tokenizer)


def test_a_file_of_stable_diffusion_2_has_to_say_what_it_predicts(tokenizer, tmp_path):
    save_file(tensors(), tmp_path / "style.safetensors")
    with pytest.raises(ConfigError, match=r"style.safetensors does not state what it predicts, .*; convert it with"):
        load(tmp_path / "style.safetensors", tokenizer=tokenizer)


@pytest.mark.parametrize(
    "extra", ["conditioner.embedders.0.transformer.x", f"{UNET}camera_embed.0.weight", "cc_projection.bias"]
)
def test_files_of_other_models_are_refused(extra, tokenizer, tmp_path):
    save_file({**tensors(), extra: torch.zeros(1)}, tmp_path / "style.safetensors", SPEC)
    with pytest.raises(ConfigError, match=r"prior\.path: .*style\.safetensors is a single file, and of those only"):
        load(tmp_path / "style.safetensors", tokenizer=tokenizer)


def test_inspection_knows_it(tmp_path):
    save_file(tensors(), tmp_path / "style.safetensors", SPEC)
    account = inspect_prior(str(tmp_path / "style.safetensors")).account()
    assert account["usable_for"] == ["stable-diffusion", "controlnet"] and account["format"] == "single file"
    assert account["prediction_type"] == "v_prediction" and account["parts"]["text_encoder"]["class"] == "CLIPTextModel"

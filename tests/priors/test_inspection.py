"""Inspection says what a model holds and who takes it, and refuses with the line that a run would give."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_mvdream import save_file_layout, save_port, state

from maquette.config import load_method
from maquette.errors import ConfigError
from maquette.priors.inspection import inspect_prior
from maquette.weights.loading import conversion
from zero123_layouts import save_checkpoint, tiny_state

UNET = "unet/diffusion_pytorch_model.safetensors"


def parameters(folder: Path, *parts: str) -> int:
    """The number of values in a model's files, counted by hand."""
    files = [file for part in parts for file in (folder / part).glob("*.safetensors")]
    return sum(tensor.numel() for file in files for tensor in load_file(file).values())


@pytest.mark.parametrize(
    ("model", "users", "scheduler", "prediction"),
    [
        ("tiny_pixel_model", ["stable-diffusion"], "DDPMScheduler", "v_prediction"),
        ("tiny_stable_diffusion", ["stable-diffusion", "controlnet"], "DDPMScheduler", "epsilon"),
        ("tiny_edits", ["instruct-pix2pix"], "DDPMScheduler", "epsilon"),
        ("tiny_xl", ["stable-diffusion-xl"], "EulerDiscreteScheduler", "epsilon"),
        ("tiny_if", ["deepfloyd-if"], "DDPMScheduler", "epsilon"),
        ("tiny_multi_view", ["mvdream"], "DDPMScheduler", "v_prediction"),
        ("tiny_zero123", ["zero123"], None, None),
        ("tiny_zero123plus", ["zero123plus"], None, None),
    ],
)
def test_every_family_is_known_by_its_parts(model, users, scheduler, prediction, request):
    account = inspect_prior(str(request.getfixturevalue(model))).account()
    assert account["kind"] == "prior" and account["format"] == "diffusers" and account["usable_for"] == users
    assert account["missing_keys"] == account["unexpected_keys"] == account["warnings"] == []
    assert scheduler in (account["scheduler"], None) and prediction in (account["prediction_type"], None)
    assert json.loads(json.dumps(account)) == account


def test_the_numbers_are_those_of_the_files(tiny_stable_diffusion):
    account = inspect_prior(str(tiny_stable_diffusion)).account()
    assert account["parameters"] == parameters(tiny_stable_diffusion, "unet", "vae", "text_encoder")
    assert account["parts"]["unet"]["parameters"] == parameters(tiny_stable_diffusion, "unet")
    assert account["class"] == "StableDiffusionPipeline" and account["dtype"] == "float32"
    assert account["timesteps"] == 1000 and account["beta_schedule"] == "scaled_linear"
    assert account["text_tokens"] == 16 and account["sample_size"] == 16


def test_a_variant_and_its_dtype_are_named(tiny_pixel_model, tmp_path):
    model = Path(shutil.copytree(tiny_pixel_model, tmp_path / "model"))
    tensors = {name: tensor.half() for name, tensor in load_file(model / UNET).items()}
    (model / UNET).unlink()
    save_file(tensors, model / "unet/diffusion_pytorch_model.fp16.safetensors", {"format": "pt"})
    account = inspect_prior(str(model)).account()
    assert account["dtype"] == "float16" and account["parts"]["unet"]["variant"] == "fp16"
    assert account["usable_for"] == ["stable-diffusion"]


def test_missing_and_unexpected_tensors_are_listed(tiny_pixel_model, tmp_path):
    model = Path(shutil.copytree(tiny_pixel_model, tmp_path / "model"))
    tensors = load_file(model / UNET)
    tensors["conv_in.odd"] = tensors.pop("conv_in.bias")
    save_file(tensors, model / UNET, {"format": "pt"})
    account = inspect_prior(str(model)).account()
    assert account["missing_keys"] == ["unet.conv_in.bias"] and account["unexpected_keys"] == ["unet.conv_in.odd"]
    assert account["usable_for"] == [] and "its tensors do not fit its networks" in account["warnings"][0]


def test_an_inpainting_model_is_for_no_prior(tiny_stable_diffusion, tmp_path):
    from diffusers import UNet2DConditionModel

    model = Path(shutil.copytree(tiny_stable_diffusion, tmp_path / "model"))
    config = UNet2DConditionModel.load_config(model, subfolder="unet")
    UNet2DConditionModel.from_config({**config, "in_channels": 9}).save_pretrained(model / "unet")
    account = inspect_prior(str(model)).account()
    assert account["usable_for"] == []
    assert "text encoders CLIPTextModel, a UNet of 9 input channels, latents of 4 channels" in account["warnings"][0]


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        ("{", "model_index.json", "is not valid JSON"),
        ('{"_class_name": "EDMEulerScheduler"}', "scheduler/scheduler_config.json", "whose noise process no prior"),
        ("<html>", UNET, "is a web page"),
    ],
)
def test_a_refusal_is_the_line_of_a_run(content, name, reason, tiny_pixel_model, tmp_path):
    model = Path(shutil.copytree(tiny_pixel_model, tmp_path / "model"))
    (model / name).write_text(content)
    with pytest.raises(ConfigError, match=rf"^prior\.path: .*{reason}"):
        inspect_prior(str(model))


def test_a_path_without_weights_is_refused():
    with pytest.raises(
        ConfigError, match="there are no weights at '/nowhere/at/all': neither a folder, nor a plugin's"
    ):
        inspect_prior("/nowhere/at/all")


def test_single_files_of_zero123_and_mvdream_are_known(tmp_path):
    save_checkpoint(tmp_path / "zero.ckpt", tiny_state())
    account = inspect_prior(str(tmp_path / "zero.ckpt")).account()
    assert account["format"] == "single file" and account["usable_for"] == ["zero123"]
    account = inspect_prior(save_file_layout(tmp_path, state())["path"]).account()
    assert account["usable_for"] == ["mvdream"] and account["parts"]["unet"]["class"] == "UNet2DConditionModel"
    assert inspect_prior(save_port(tmp_path, state())["path"]).account()["usable_for"] == ["mvdream"]


def test_another_single_file_is_refused_with_the_way_to_convert_it(tmp_path):
    save_file({"model.diffusion_model.out.2.weight": torch.zeros(1)}, tmp_path / "sd.safetensors")
    with pytest.raises(
        ConfigError, match=r"sd.safetensors is a single file, .*from_single_file\('/.*/sd.safetensors'\)"
    ):
        inspect_prior(str(tmp_path / "sd.safetensors"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conditioner.embedders.1.model.x", r"XL in a single file; .*`from diffusers import StableDiffusionXLPipeline; "
         r"StableDiffusionXLPipeline.from_single_file\('/.*/a.safetensors'\).*`, and give the folder as prior=sdxl "),
        ("conditioner.embedders.0.model.x", r"is a single file of SDXL's refiner, which no prior here takes"),
        ("model.diffusion_model.joint_blocks.0.x", r"a single file of Stable Diffusion 3, which no prior here takes"),
        ("double_blocks.0.img_attn.qkv.weight", r"is a single file of Flux, which no prior here takes"),
    ],
)  # fmt: skip
def test_a_single_file_of_a_newer_model_is_named_with_its_own_remedy(name, message, tmp_path):
    save_file({name: torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=message):
        inspect_prior(str(tmp_path / "a.safetensors"))
    with pytest.raises(ConfigError, match=message):
        check_prior_path(str(tmp_path / "a.safetensors"))


def check_prior_path(path: str) -> None:
    """As a method's config is checked, before anything is loaded."""
    load_method("dreamfusion", ["prompt=x", "prior=sdxl", f"prior.path={path}"])


def test_the_pipelines_of_the_remedies_convert_single_files():
    import diffusers

    for name in ("StableDiffusionPipeline", "StableDiffusionXLPipeline"):
        assert callable(getattr(diffusers, name).from_single_file) and name in conversion("a", name)

"""Real layouts load through one code path, in our prior and in diffusers itself."""

import shutil
from pathlib import Path

import pytest
import torch
from given_conditions import given
from safetensors.torch import load_file, save_file

from maquette.diffusion.noise import DiscreteSchedule
from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.text.conditions import ViewPrompts
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.weights.embedding_cache import cache_folder
from views import around


def load(path, **config) -> StableDiffusion:
    return StableDiffusion(StableDiffusion.Config(path=str(path), dtype="float32", device="cpu", **config))


@pytest.mark.parametrize("model", ["tiny_pixel_model", "tiny_stable_diffusion"])
def test_text_to_image_predictions_have_the_shape_of_latents_and_no_gradient(model, request):
    prior = load(request.getfixturevalue(model))
    views = around(0.0, 180.0)
    latents = prior.encode(torch.rand(2, 16, 16, 3))
    found = prior.predict(latents, torch.tensor([10, 900]), prior.condition(Request("a red mug")).at(views), views)
    assert found.keys() == given(prior)
    assert all(value.shape == latents.shape and torch.isfinite(value).all() for value in found.values())


def test_a_latent_model_encodes_by_its_scaling_factor_with_gradient(tiny_stable_diffusion):
    prior = load(tiny_stable_diffusion)
    rgb = torch.rand(1, 16, 16, 3, requires_grad=True)
    latents = prior.encode(rgb)
    assert prior.size == 32 and latents.shape == (1, 4, 16, 16)
    latents.sum().backward()
    assert rgb.grad.abs().sum() > 0


def test_a_pixel_model_needs_no_autoencoder(tiny_pixel_model):
    prior = load(tiny_pixel_model)
    rgb = torch.rand(1, 16, 16, 3)
    torch.testing.assert_close(prior.decode(prior.encode(rgb)), rgb)
    assert prior.noise_schedule.prediction == "v_prediction" and prior.channels == 3


def test_v_and_epsilon_of_one_state_agree():
    clean, noise, t = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4), torch.tensor([5, 90])
    alphas_cumprod = torch.linspace(0.99, 0.01, 100)
    alpha, sigma = DiscreteSchedule(alphas_cumprod).alpha_sigma(t)
    noisy = alpha * clean + sigma * noise
    outputs = {"epsilon": noise, "v_prediction": alpha * noise - sigma * clean, "sample": clean}
    for prediction, output in outputs.items():
        schedule = DiscreteSchedule(alphas_cumprod, prediction)
        torch.testing.assert_close(schedule.epsilon(output, noisy, t), noise, rtol=1e-3, atol=1e-3)


def test_diffusers_itself_samples_from_the_pixel_layout(tiny_pixel_model):
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(tiny_pixel_model, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pictures = pipeline("a red mug", num_inference_steps=2, output_type="np", clean_caption=False).images
    assert pictures.shape == (1, 16, 16, 3)


def test_conditions_follow_the_camera_by_view_words():
    words = ViewPrompts()
    assert words.choose(around(0.0, 44.0, 46.0, -90.0, 136.0, 180.0)) == [
        "front",
        "front",
        "side",
        "side",
        "back",
        "back",
    ]
    assert words.choose(around(0.0, elevation=70.0)) == ["overhead"]


def test_a_prompt_with_braces_is_not_a_template():
    assert ViewPrompts().text("a {view} {0}", "front") == "a {view} {0}, front view"


def test_an_empty_prompt_is_refused(tiny_pixel_model):
    with pytest.raises(ConfigError, match=r"prompt: .* the text is empty; say prompt="):
        load(tiny_pixel_model).condition(Request(" "))


def test_embeddings_are_computed_once_per_text(tiny_pixel_model, monkeypatch):
    prior = load(tiny_pixel_model)
    prior.condition(Request("a red mug"))
    assert len(list((cache_folder() / "text").glob("*.safetensors"))) == 6  # four views, the prompt and nothing

    def never(_):
        raise AssertionError("the text encoder was loaded again")

    monkeypatch.setattr(prior, "encode_texts", never)
    prior.condition(Request("a red mug"))


def test_without_view_words_all_views_share_one_embedding(tiny_pixel_model):
    conditions = load(tiny_pixel_model, view_dependent=False).condition(Request("a red mug")).at(around(0.0, 180.0))
    assert torch.equal(conditions["positive"][0], conditions["positive"][1])


def test_a_negative_prompt_takes_the_place_of_the_empty_one(tiny_pixel_model):
    prior = load(tiny_pixel_model)
    empty = prior.condition(Request("a red mug")).at(around(0.0))["unconditional"]
    negative = prior.condition(Request("a red mug", "a front view")).at(around(0.0))["unconditional"]
    assert not torch.equal(empty, negative)


@pytest.mark.parametrize(
    ("part", "names", "message"),
    [
        (
            "unet",
            {"conv_in.bias": "conv_in.base"},
            r"unet of .* 1 missing \(conv_in.bias\), 1 unexpected \(conv_in.base\)",
        ),
        ("vae", {"quant_conv.bias": ""}, r"vae of .* 1 missing \(quant_conv.bias\)"),
    ],
)
def test_wrong_weights_are_named_instead_of_left_random(tiny_stable_diffusion, tmp_path, part, names, message):
    rename_tensors(tiny_stable_diffusion, tmp_path / "model", part, names)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "model")


def test_an_autoencoder_of_the_first_releases_is_complete(tiny_stable_diffusion, tmp_path):
    first = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    names = {
        f"{side}.mid_block.attentions.0.{new}.{tensor}": f"{side}.mid_block.attentions.0.{old}.{tensor}"
        for side in ("encoder", "decoder") for new, old in first.items() for tensor in ("weight", "bias")
    }  # fmt: skip
    rename_tensors(tiny_stable_diffusion, tmp_path / "model", "vae", names)
    rgb = torch.rand(1, 16, 16, 3)
    assert torch.equal(load(tmp_path / "model").encode(rgb), load(tiny_stable_diffusion).encode(rgb))


def rename_tensors(model: Path, copy: Path, part: str, names: dict[str, str]) -> None:
    """A copy of a model with other names in one of its parts; "" leaves a tensor out."""
    shutil.copytree(model, copy)
    file = copy / part / "diffusion_pytorch_model.safetensors"
    tensors = {names.get(name, name): tensor for name, tensor in load_file(file).items()}
    save_file({name: tensor for name, tensor in tensors.items() if name}, file)

"""LoRA files of several programs, folded into the weights, against the product written out."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from maquette.cameras import orbit_cameras
from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.text.lora import LoraFile, fold_lora
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.stable_diffusion_xl import StableDiffusionXL

QUERY = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0"
RANK = 3


def load(path: Path, *lora: LoraFile) -> StableDiffusion:
    return StableDiffusion(StableDiffusion.Config(path=str(path), dtype="float32", device="cpu", lora=lora))


def halves(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A and B for a weight, in the shape of convolutions where it is one's."""
    torch.manual_seed(0)
    ones = [1] * (weight.ndim - 2)
    return torch.randn(RANK, *weight.shape[1:]), torch.randn(len(weight), RANK, *ones)


def kohya(layer: str) -> tuple[str, str]:
    return tuple(f"lora_unet_{layer.replace('.', '_')}.lora_{half}.weight" for half in ("down", "up"))


def peft(layer: str) -> tuple[str, str]:
    return f"unet.{layer}.lora_A.weight", f"unet.{layer}.lora_B.weight"


def older(layer: str) -> tuple[str, str]:
    return f"unet.{layer}.lora.down.weight", f"unet.{layer}.lora.up.weight"


def oldest(layer: str) -> tuple[str, str]:
    block, _, projection = layer.removesuffix(".0").rpartition(".")
    return tuple(f"{block}.processor.{projection}_lora.{half}.weight" for half in ("down", "up"))


@pytest.mark.parametrize("names", [kohya, peft, older, oldest])
@pytest.mark.parametrize("layer", [QUERY, OUT])
def test_each_programs_names_find_the_layer(names, layer, tiny_stable_diffusion, tmp_path):
    before = load(tiny_stable_diffusion).unet.get_submodule(layer).weight
    a, b = halves(before)
    save_file(dict(zip(names(layer), (a, b), strict=True)), tmp_path / "style.safetensors")
    prior = load(tiny_stable_diffusion, LoraFile(str(tmp_path / "style.safetensors"), 0.5))
    torch.testing.assert_close(prior.unet.get_submodule(layer).weight, before + 0.5 * b @ a)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("input_blocks_3_1_transformer_blocks_0_attn1_to_q", QUERY),
        ("output_blocks_0_1_transformer_blocks_1_attn2_to_out_0",
         "up_blocks.0.attentions.0.transformer_blocks.1.attn2.to_out.0"),
        ("middle_block_2_in_layers_2", "mid_block.resnets.1.conv1"),
    ],
)  # fmt: skip
def test_names_of_the_original_blocks_find_the_layer_of_sdxl(theirs, ours, tiny_xl, tmp_path):
    def weight(*lora: LoraFile) -> torch.Tensor:
        config = StableDiffusionXL.Config(path=str(tiny_xl), dtype="float32", device="cpu", lora=lora)
        return StableDiffusionXL(config).unet.get_submodule(ours).weight

    before = weight()
    a, b = halves(before)
    save_file(dict(zip(kohya(theirs), (a, b), strict=True)), tmp_path / "style.safetensors")
    found = weight(LoraFile(str(tmp_path / "style.safetensors")))
    torch.testing.assert_close(found, before + (b.flatten(1) @ a.flatten(1)).view_as(before))


def test_alpha_over_rank_scales_and_convolutions_are_additions_too(tiny_stable_diffusion, tmp_path):
    layer = "down_blocks.0.resnets.0.conv1"
    before = load(tiny_stable_diffusion).unet.get_submodule(layer).weight
    a, b = halves(before)
    down, up = kohya(layer)
    alpha = {down.replace("lora_down.weight", "alpha"): torch.tensor(6.0)}
    save_file({down: a, up: b, **alpha}, tmp_path / "style.safetensors")
    found = load(tiny_stable_diffusion, LoraFile(str(tmp_path / "style.safetensors"))).unet.get_submodule(layer)
    product = torch.einsum("or,rihw->oihw", b[:, :, 0, 0], a)
    torch.testing.assert_close(found.weight, before + 6.0 / RANK * product)
    x = torch.randn(1, before.shape[1], 5, 5)  # what the addition is meant to be: two convolutions in a row
    conv = torch.nn.functional.conv2d
    added = conv(conv(x, a, padding=1), b)
    torch.testing.assert_close(found(x), conv(x, before, found.bias, padding=1) + 2 * added, rtol=1e-3, atol=1e-3)


def test_alpha_may_be_in_the_notes_of_the_file(tiny_stable_diffusion, tmp_path):
    before = load(tiny_stable_diffusion).unet.get_submodule(QUERY).weight
    a, b = halves(before)
    notes = {"lora_adapter_metadata": json.dumps({"unet.r": RANK, "unet.lora_alpha": 12})}
    save_file(dict(zip(peft(QUERY), (a, b), strict=True)), tmp_path / "style.safetensors", notes)
    found = load(tiny_stable_diffusion, LoraFile(str(tmp_path / "style.safetensors"))).unet.get_submodule(QUERY)
    torch.testing.assert_close(found.weight, before + 4 * b @ a)


def test_several_files_add_up(tiny_stable_diffusion, tmp_path):
    before = load(tiny_stable_diffusion).unet.get_submodule(QUERY).weight
    a, b = halves(before)
    save_file(dict(zip(peft(QUERY), (a, b), strict=True)), tmp_path / "one.safetensors")
    save_file(dict(zip(kohya(QUERY), (a, -b), strict=True)), tmp_path / "two.safetensors")
    files = [LoraFile(str(tmp_path / f"{name}.safetensors"), scale) for name, scale in (("one", 1.0), ("two", 0.25))]
    found = load(tiny_stable_diffusion, *files).unet.get_submodule(QUERY).weight
    torch.testing.assert_close(found, before + 0.75 * b @ a)


@pytest.mark.parametrize(
    "names",
    [
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_{}.weight",
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.{}.weight",
    ],
)
def test_a_text_encoders_part_changes_what_texts_mean_and_is_not_mistaken_for_the_plain_one(
    names, tiny_stable_diffusion, tmp_path
):
    one = torch.ones(1)
    views = orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8)
    plain = load(tiny_stable_diffusion).condition(Request("a red mug")).at(views)["positive"]
    a, b = halves(torch.zeros(32, 32))
    save_file({names.format("down"): a, names.format("up"): b}, tmp_path / "style.safetensors")
    for scale, same in ((0.0, True), (1.0, False)):
        prior = load(tiny_stable_diffusion, LoraFile(str(tmp_path / "style.safetensors"), scale))
        found = prior.condition(Request("a red mug")).at(views)["positive"]
        assert torch.allclose(found, plain, atol=1e-6) == same


REFUSED = {
    "has 2 keys for layers that the unet does not have: unet.nowhere.lora_A.weight": lambda a, b: {
        "unet.nowhere.lora_A.weight": a,
        "unet.nowhere.lora_B.weight": b,
    },
    f"has 1 keys that are no LoRA's: unet.{QUERY}.hada_w1_a": lambda a, b: {f"unet.{QUERY}.hada_w1_a": a},
    "has one half of an addition without the other: lora_unet_down": lambda a, b: {kohya(QUERY)[0]: a},
    r"of another shape than its weight: \[32, 3\] times \[3, 31\], and the weight is \[32, 32\]": lambda a, b: dict(
        zip(peft(QUERY), (a[:, 1:].contiguous(), b), strict=True)
    ),
}


@pytest.mark.parametrize("reason", list(REFUSED))
def test_what_does_not_fit_is_named(reason, tiny_stable_diffusion, tmp_path):
    a, b = halves(torch.zeros(32, 32))
    save_file(REFUSED[reason](a, b), tmp_path / "style.safetensors")
    with pytest.raises(ConfigError, match=reason):
        load(tiny_stable_diffusion, LoraFile(str(tmp_path / "style.safetensors")))


def test_a_variant_that_means_something_else_is_refused(tmp_path):
    a, b = halves(torch.zeros(4, 4))
    notes = {"lora_adapter_metadata": json.dumps({"unet.use_dora": True})}
    save_file({"unet.0.lora_A.weight": a, "unet.0.lora_B.weight": b}, tmp_path / "style.safetensors", notes)
    with pytest.raises(ConfigError, match=r"settings that are not supported: unet\.use_dora"):
        fold_lora(torch.nn.Sequential(torch.nn.Linear(4, 4)), "unet", LoraFile(str(tmp_path / "style.safetensors")))


def test_only_safetensors_are_read(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "style.bin")
    with pytest.raises(ConfigError, match="only safetensors are read"):
        fold_lora(torch.nn.Linear(4, 4), "unet", LoraFile(str(tmp_path / "style.bin")))


def test_a_file_that_is_not_there_is_named_before_anything_loads():
    with pytest.raises(ValueError, match=r"there is no file nowhere\.safetensors"):
        LoraFile("nowhere.safetensors")


def test_a_file_with_nothing_for_the_model_is_refused(tiny_stable_diffusion, tmp_path):
    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(ConfigError, match=r"prior.lora: .*empty.safetensors holds no additions"):
        load(tiny_stable_diffusion, LoraFile(str(tmp_path / "empty.safetensors")))
    keys = [f"lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_{half}.weight" for half in ("down", "up")]
    save_file({key: torch.zeros(4, 4) for key in keys}, tmp_path / "second.safetensors")
    with pytest.raises(ConfigError, match="2 keys for a text encoder that the model does not have: lora_te2_"):
        load(tiny_stable_diffusion, LoraFile(str(tmp_path / "second.safetensors")))

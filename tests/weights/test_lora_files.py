"""LoRA files of several programs, folded into the weights, against the product written out."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.text.lora import LoraFile, fold_lora
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.priors.text.stable_diffusion_xl import StableDiffusionXL
from maquette.weights.lora_files import inspect_lora, is_lora, read_lora
from views import front

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
    views = front()
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
    f"is a LoHa, which is not read: unet.{QUERY}.hada_w1_a": lambda a, b: {f"unet.{QUERY}.hada_w1_a": a},
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


def prefixed(layer: str) -> tuple[str, str]:
    return f"base_model.model.{layer}.lora_A.weight", f"base_model.model.{layer}.lora_B.weight"


def named_adapter(layer: str) -> tuple[str, str]:
    return f"base_model.model.{layer}.lora_A.my_style.weight", f"base_model.model.{layer}.lora_B.my_style.weight"


def both_prefixes(layer: str) -> tuple[str, str]:
    return f"unet.base_model.model.{layer}.lora_A.weight", f"unet.base_model.model.{layer}.lora_B.weight"


@pytest.mark.parametrize("names", [prefixed, named_adapter, both_prefixes])
@pytest.mark.parametrize(
    ("settings", "ratio"),
    [
        ({"r": RANK, "lora_alpha": 6}, 2.0),
        ({"r": RANK, "lora_alpha": "6"}, 2.0),
        ({"r": RANK, "lora_alpha": 6, "use_rslora": True}, 6 / RANK**0.5),
        ({"r": 8, "lora_alpha": 6, "alpha_pattern": {"attn1.to_q": 12}}, 4.0),
        ({"r": 8, "lora_alpha": 6, "alpha_pattern": {"attn2.to_q": 12}}, 2.0),
    ],
)
def test_pefts_own_files_take_alpha_from_the_settings_beside_them(
    names, settings, ratio, tiny_stable_diffusion, tmp_path
):
    before = load(tiny_stable_diffusion).unet.get_submodule(QUERY).weight
    a, b = halves(before)
    save_file(dict(zip(names(QUERY), (a, b), strict=True)), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text("\ufeff" + json.dumps({"peft_type": "LORA", **settings}))
    for path in (tmp_path / "adapter_model.safetensors", tmp_path):
        found = load(tiny_stable_diffusion, LoraFile(str(path))).unet.get_submodule(QUERY).weight
        torch.testing.assert_close(found, before + ratio * b @ a)


def test_pefts_file_without_its_settings_is_read_with_a_warning(tiny_stable_diffusion, tmp_path, caplog):
    before = load(tiny_stable_diffusion).unet.get_submodule(QUERY).weight
    a, b = halves(before)
    save_file(dict(zip(prefixed(QUERY), (a, b), strict=True)), tmp_path / "style.safetensors")
    found = load(tiny_stable_diffusion, LoraFile(str(tmp_path / "style.safetensors"))).unet.get_submodule(QUERY).weight
    torch.testing.assert_close(found, before + b @ a)
    assert caplog.text.count("there is no adapter_config.json beside it, so alpha is taken to be the rank") == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"use_dora": True}, "settings that are not supported: use_dora"),
        ({"bias": "all"}, "settings that are not supported: bias=all"),
        ({"peft_type": "LOKR"}, "is of the kind LOKR, which is not read"),
        ({"lora_alpha": [4]}, r"a setting that is no number: lora_alpha=\[4\]"),
        ({"alpha_pattern": {"to_q": None}}, "a setting that is no number: alpha_pattern.to_q=None"),
    ],
)
def test_pefts_settings_that_change_the_result_are_refused(settings, reason, tmp_path):
    a, b = halves(torch.zeros(32, 32))
    save_file(dict(zip(prefixed(QUERY), (a, b), strict=True)), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match=f"prior.lora: .*adapter_model.safetensors .*{reason}"):
        read_lora(tmp_path)


@pytest.mark.parametrize("note", ["rank=2, alpha=2", "[1, 2]", "null", "", '"text"', "[" * 100_000])
def test_notes_that_are_no_settings_are_passed_over_with_a_warning(note, tiny_stable_diffusion, tmp_path):
    a, b = halves(torch.zeros(32, 32))
    save_file(dict(zip(peft(QUERY), (a, b), strict=True)), tmp_path / "a.safetensors", {"lora_adapter_metadata": note})
    loaded = read_lora(tmp_path / "a.safetensors")
    assert loaded.facts["scales"] == [1.0] and "lora_adapter_metadata that is no JSON mapping" in loaded.warnings[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("factor", ["lora_down.weight", "lora_up.weight", "alpha"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_value_that_is_not_finite_is_named_with_file_and_tensor(value, factor, dtype, tmp_path):
    a, b = halves(torch.zeros(32, 32))
    stem = kohya(QUERY)[0].removesuffix(".lora_down.weight")
    tensors = {f"{stem}.lora_down.weight": a, f"{stem}.lora_up.weight": b, f"{stem}.alpha": torch.tensor(1.0)}
    tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    tensors[f"{stem}.{factor}"].view(-1)[-1] = value
    save_file(tensors, tmp_path / "style.safetensors")
    with pytest.raises(
        ConfigError, match=rf"prior.lora: the tensor {stem}\.{factor} in .*style\.safetensors .* NaN or infinite"
    ):
        read_lora(tmp_path / "style.safetensors")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (f"unet.{QUERY}.hada_w2_b", "a LoHa"),
        (f"lora_unet_{QUERY.replace('.', '_')}.lokr_w1", "a LoKr"),
        (f"unet.{QUERY}.lora_magnitude_vector", "a DoRA"),
        (f"lora_unet_{QUERY.replace('.', '_')}.dora_scale", "a DoRA"),
        (f"lora_unet_{QUERY.replace('.', '_')}.oft_blocks", "an OFT"),
        (f"lora_unet_{QUERY.replace('.', '_')}.diff", "a difference of whole weights"),
        (f"unet.{QUERY}.lora_B.bias", "a LoRA with biases"),
        ("base_model.model.text_model.embeddings.token_embedding.lora_embedding_A", "a LoRA of embeddings"),
        ("unet:0:up", r"a LoRA of the first scripts \(cloneofsimo\)"),
    ],
)
def test_kinds_that_are_computed_differently_are_refused_by_name(key, kind, tmp_path):
    a, b = halves(torch.zeros(32, 32))
    save_file({**dict(zip(peft(QUERY), (a, b), strict=True)), key: torch.ones(2, 2)}, tmp_path / "style.safetensors")
    with pytest.raises(ConfigError, match=rf"prior.lora: .*style.safetensors is {kind}, which is not read: "):
        read_lora(tmp_path / "style.safetensors")


def test_a_kernel_between_the_factors_of_a_convolution_is_multiplied_in(tiny_stable_diffusion, tmp_path):
    layer = "down_blocks.0.resnets.0.conv1"
    before = load(tiny_stable_diffusion).unet.get_submodule(layer).weight
    torch.manual_seed(0)
    down, mid, up = (
        torch.randn(RANK, before.shape[1], 1, 1),
        torch.randn(RANK, RANK, 3, 3),
        torch.randn(len(before), RANK, 1, 1),
    )
    stem = f"lycoris_{layer.replace('.', '_')}"
    names = {f"{stem}.lora_down.weight": down, f"{stem}.lora_mid.weight": mid, f"{stem}.lora_up.weight": up}
    save_file(names, tmp_path / "style.safetensors")
    found = load(tiny_stable_diffusion, LoraFile(str(tmp_path / "style.safetensors"))).unet.get_submodule(layer)
    x = torch.randn(1, before.shape[1], 5, 5)
    conv = torch.nn.functional.conv2d
    added = conv(conv(conv(x, down), mid, padding=1), up)
    torch.testing.assert_close(found(x), conv(x, before, found.bias, padding=1) + added, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("prefix", ["diffusion_model.", "model.diffusion_model."])
def test_names_of_the_original_layout_with_dots_find_the_layer(prefix, tiny_stable_diffusion, tmp_path):
    before = load(tiny_stable_diffusion).unet.get_submodule(QUERY).weight
    a, b = halves(before)
    stem = f"{prefix}input_blocks.3.1.transformer_blocks.0.attn1.to_q"
    save_file({f"{stem}.lora_A.weight": a, f"{stem}.lora_B.weight": b}, tmp_path / "style.safetensors")
    found = load(tiny_stable_diffusion, LoraFile(str(tmp_path / "style.safetensors"))).unet.get_submodule(QUERY).weight
    torch.testing.assert_close(found, before + b @ a)


@pytest.mark.parametrize(
    ("folder", "part"), [("unet", "unet"), ("text_encoder", "text_encoder"), ("text_encoder_2", "text_encoder_2")]
)
def test_pefts_folders_say_which_part_they_are_for(folder, part, tmp_path):
    layer = QUERY if part == "unet" else "text_model.encoder.layers.0.self_attn.q_proj"
    a, b = halves(torch.zeros(8, 8))
    (tmp_path / folder).mkdir()
    save_file(dict(zip(prefixed(layer), (a, b), strict=True)), tmp_path / folder / "adapter_model.safetensors")
    assert read_lora(tmp_path / folder).facts["layers"] == {part: 1}


def test_two_adapters_in_one_file_are_refused(tmp_path):
    a, b = halves(torch.zeros(8, 8))
    names = {f"unet.{QUERY}.lora_{half}.{name}.weight" for half in "AB" for name in ("one", "two")}
    save_file({name: (a if "_A" in name else b).clone() for name in names}, tmp_path / "style.safetensors")
    with pytest.raises(ConfigError, match="two additions to one layer, of several adapters"):
        read_lora(tmp_path / "style.safetensors")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "is a web page, not the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "is a git-LFS pointer.*git lfs pull"),
        (b"Entry not found", "holds text, not tensors: 'Entry not found'"),
        (b"PK\x03\x04" + bytes(100), "is a pickle of torch, not safetensors"),
        (bytes(range(256)), "is not a safetensors file"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00{}", "is cut short: it has 10 bytes, and its header names at least 72"),
        (b"\x04\x00\x00\x00\x00\x00\x00\x00{\"a]", "the header of .* is damaged"),
    ],
)  # fmt: skip
def test_what_is_no_lora_file_is_named_as_what_it_is(content, reason, tmp_path):
    (tmp_path / "style.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match=f"prior.lora: .*{reason}"):
        read_lora(tmp_path / "style.safetensors")


def test_a_file_cut_short_is_named_with_its_sizes(tmp_path):
    a, b = halves(torch.zeros(32, 32))
    save_file(dict(zip(peft(QUERY), (a, b), strict=True)), tmp_path / "style.safetensors")
    whole = (tmp_path / "style.safetensors").read_bytes()
    (tmp_path / "style.safetensors").write_bytes(whole[:-10])
    sizes = f"it has {len(whole) - 10:,} bytes, and its header names at least {len(whole):,}"
    with pytest.raises(ConfigError, match=f"style.safetensors is cut short: {sizes}"):
        read_lora(tmp_path / "style.safetensors")


def test_inspection_says_what_the_additions_are_and_who_takes_them(tmp_path):
    layer = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    a, b = torch.randn(RANK, 768), torch.randn(320, RANK)
    down, up = kohya(layer)
    tensors = {down: a.half(), up: b.half(), down.replace("lora_down.weight", "alpha"): torch.tensor(1.5).half()}
    te = {name.replace("unet", "te").replace("down_blocks_1", "text_model"): 1 * t for name, t in tensors.items()}
    save_file(tensors | te, tmp_path / "style.safetensors", {"ss_base_model_version": "sd_v1"})
    account = inspect_lora(tmp_path / "style.safetensors").account()
    assert account["kind"] == "lora" and account["format"] == "kohya" and account["dtype"] == "float16"
    assert (
        account["layers"] == {"unet": 1, "text_encoder": 1} and account["ranks"] == [3] and account["scales"] == [0.5]
    )
    assert account["usable_for"] == ["stable-diffusion", "controlnet", "instruct-pix2pix"]
    assert account["trained_on"] == "sd_v1" and json.dumps(account)
    assert is_lora(tmp_path / "style.safetensors") and not is_lora(tmp_path / "nothing.safetensors")

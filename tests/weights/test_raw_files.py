"""Weight files that are not what their names say are named as what they are, before a library reads them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from maquette import plugins
from maquette.errors import ConfigError
from maquette.perception.clip import Clip
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.weights.raw_files import is_finite, read_json, safetensors_header

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny_pixel_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that may be spoilt."""
    return Path(shutil.copytree(tiny_pixel_model, tmp_path / "model"))


def load(path: Path) -> StableDiffusion:
    return StableDiffusion(StableDiffusion.Config(path=str(path), dtype="float32", device="cpu"))


def spoil(file: Path, name: str, value: float) -> None:
    tensors = load_file(file)
    tensors[name].view(-1)[0] = value
    save_file(tensors, file, {"format": "pt"})


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_json_with_a_byte_order_mark_is_read(mark, model):
    for file in model.rglob("*.json"):
        file.write_bytes(file.read_text().encode(mark))
    prior = load(model)
    assert prior.noise_schedule.prediction == "v_prediction"
    from maquette.priors.base import Request

    assert prior.condition(Request("a red mug")).viewless.isfinite().all()


def test_every_other_character_of_a_json_file_arrives(tmp_path):
    (tmp_path / "config.json").write_text('\ufeff{"a": "\u00e9\\ud83d\\ude00"}', encoding="utf-8")
    assert read_json(tmp_path / "config.json") == {"a": "\u00e9\U0001f600"}


@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"])
def test_broken_json_is_named_with_line_and_column(name, model):
    text = (model / name).read_text()
    (model / name).write_text(text[: text.index("\n", 60)])
    file = Path(name).name
    with pytest.raises(ConfigError, match=rf"prior\.path: .*{name} is not valid JSON: .* column \d+ \({file}:\d+\)"):
        load(model)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"[1, 2]", "holds a list, and a mapping"),
        (b"null", "holds a NoneType, and a mapping"),
        (b"[" * 100_000, "cannot be read as JSON: RecursionError"),
        (b'{"a": "\xff\xfa"}', "is not text: byte 7"),
        (b"<html>Sign in</html>", "is a web page, not the file itself"),
        (b"\n <!doctype HTML>", "is a web page, not the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a git-LFS pointer, not the file itself"),
    ],
)
def test_what_is_no_json_mapping_is_named_as_what_it_is(content, reason, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"prior\.path: .*config\.json {reason}"):
        read_json(tmp_path / "config.json", "prior.path")


@pytest.mark.parametrize("entry", ["UNet2DConditionModel", ["diffusers"], 5, {}, ["diffusers", 3]])
def test_an_index_with_something_else_than_library_and_class_is_refused(entry, model):
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps({**index, "text_encoder": entry}))
    with pytest.raises(ConfigError, match=r"prior.path: model_index.json .* for text_encoder, and \[library, class\]"):
        load(model)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["conv_in.weight", "mid_block.resnets.0.conv1.bias"])
def test_a_unet_that_is_not_finite_is_refused_with_file_and_tensor(value, name, model):
    spoil(model / UNET, name, value)
    with pytest.raises(ConfigError, match=rf"^prior\.path: the tensor {name} in .*{UNET} has 1 of \d+ values that are"):
        load(model)


def test_a_text_encoder_that_is_not_finite_is_refused_with_file_and_tensor(model):
    from maquette.priors.base import Request

    file = model / "text_encoder/model.safetensors"
    name = next(name for name in load_file(file) if name.endswith("final_layer_norm.weight"))
    spoil(file, name, float("nan"))
    with pytest.raises(ConfigError, match=rf"prior\.path: the tensor {name} in .*model\.safetensors"):
        load(model).condition(Request("a red mug"))


def test_a_clip_that_is_not_finite_is_refused_with_file_and_tensor(tmp_path):
    shutil.copytree(plugins.weights()["nano-clip"], tmp_path, dirs_exist_ok=True)
    spoil(tmp_path / "model.safetensors", "visual_projection.weight", float("nan"))
    with pytest.raises(ConfigError, match=r"the tensor visual_projection\.weight in .*model\.safetensors"):
        Clip(str(tmp_path))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_large_finite_values_are_finite(dtype):
    assert is_finite(torch.full((4096,), torch.finfo(dtype).max, dtype=torch.float64).to(dtype))
    assert not is_finite(torch.tensor([1.0, float("nan")]).to(dtype))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer"),
        (b"Access to model is restricted", "holds text, not tensors: 'Access to model"),
        (None, "is cut short: it has [0-9,]+ bytes, and its header names at least [0-9,]+"),
    ],
)
def test_a_failed_download_of_weights_is_named_as_what_it_is(content, reason, model):
    file = model / UNET
    file.write_bytes(file.read_bytes()[:-100] if content is None else content)
    with pytest.raises(ConfigError, match=rf"^prior\.path: cannot load unet of .*: .*{UNET} {reason}"):
        load(model)


def test_part_files_are_a_variant_where_there_is_no_other_file(tiny_pixel_model, model):
    whole = load(tiny_pixel_model).unet.state_dict()
    for name in (UNET, "text_encoder/model.safetensors"):
        file = model / name
        file.rename(file.with_suffix(".fp16.safetensors"))
    from maquette.priors.base import Request

    prior = load(model)
    assert all(torch.equal(value, whole[name]) for name, value in prior.unet.state_dict().items())
    assert prior.condition(Request("a red mug")).viewless.isfinite().all()


def test_the_plain_file_goes_before_its_variant(tiny_pixel_model, model):
    shutil.copy(model / UNET, model / "unet/diffusion_pytorch_model.fp16.safetensors")
    spoil(model / "unet/diffusion_pytorch_model.fp16.safetensors", "conv_in.bias", float("nan"))
    assert torch.equal(load(model).unet.conv_in.bias, load(tiny_pixel_model).unet.conv_in.bias)


def test_several_variants_are_named(model):
    for variant in ("ema", "non_ema"):
        shutil.copy(model / UNET, model / f"unet/diffusion_pytorch_model.{variant}.safetensors")
    (model / UNET).unlink()
    with pytest.raises(ConfigError, match="only in the variants ema, non_ema; rename the files of one of them"):
        load(model)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_are_read_as_one_file(variant, tiny_pixel_model, model):
    prior = load(tiny_pixel_model)
    (model / UNET).unlink()
    prior.unet.save_pretrained(model / "unet", max_shard_size="50KB", variant=variant)
    assert len(list((model / "unet").glob("*-of-*"))) > 2
    sharded = load(model).unet.state_dict()
    assert all(torch.equal(sharded[name], tensor) for name, tensor in prior.unet.state_dict().items())
    shard = sorted((model / "unet").glob("*-of-*"))[1]
    shard.rename(model / "elsewhere")
    with pytest.raises(ConfigError, match=rf"prior.path: cannot load unet of .* 1 of them are not there: {shard.name}"):
        load(model)


def test_shards_stay_in_their_folder(model):
    (model / UNET).rename(model / "outside.safetensors")
    index = {
        "metadata": {},
        "weight_map": dict.fromkeys(load_file(model / "outside.safetensors"), "../outside.safetensors"),
    }
    (model / f"{UNET}.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match=r"names '\.\./outside\.safetensors', which is not in its folder"):
        load(model)


def test_a_folder_without_weights_says_what_it_has(model):
    (model / UNET).rename(model / "unet/weights.pt")
    with pytest.raises(ConfigError, match=r"cannot load unet of .* has no safetensors, only pickles \(weights.pt\)"):
        load(model)
    (model / "unet/weights.pt").unlink()
    with pytest.raises(ConfigError, match=r"there is no diffusion_pytorch_model.* in .*: it has config.json; give a"):
        load(model)


@pytest.mark.parametrize("end", ["Infinity", "NaN", "[]", "1e400", "null"])
def test_a_header_whose_offsets_are_no_numbers_is_damaged(end, tmp_path):
    text = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, %s]}}' % end.encode()
    (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(ConfigError, match=r"the header of .* is damaged"):
        safetensors_header(tmp_path / "a.safetensors")


@pytest.mark.parametrize("entry", [{"layers_per_block": 2**62}, {"cross_attention_dim": 2**40}, {"in_channels": 1e300}])
def test_a_network_that_its_files_cannot_hold_is_refused_before_it_is_built(entry, model):
    file = model / "unet" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entry))
    with pytest.raises(ConfigError, match=rf"{next(iter(entry))} is .* only \d+ tensors .*config\.json"):
        load(model)

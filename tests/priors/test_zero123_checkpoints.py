"""Original checkpoints: complete ones become the networks that the original code runs, others are refused by key."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from maquette.errors import ConfigError
from maquette.priors.zero123.conditions import ReferencePairs
from maquette.priors.zero123.ldm import AVERAGE, LdmParts
from maquette.priors.zero123.zero123 import Zero123
from zero123_layouts import FIXTURES, FULL, TINY, save_checkpoint, tiny_state

AVERAGES = "model_ema."
KNOWN = load_file(FIXTURES / "outputs.safetensors")
"""Inputs and outputs of the original code with the weights of `tiny_state`; fixtures/zero123/make.py made them."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Zero123:
    return load(save_checkpoint(tmp_path_factory.mktemp("zero123") / "tiny.ckpt", tiny_state()))


def load(path) -> Zero123:
    return Zero123(Zero123.Config(path=str(path), size=32, dtype="float32", device="cpu"))


def told(token, picture) -> ReferencePairs:
    count = len(token)
    return ReferencePairs(torch.arange(count), torch.ones(count), token, picture.expand(count, -1, -1, -1))


def close(found, name: str) -> None:
    torch.testing.assert_close(found, KNOWN[name], rtol=0, atol=1e-4)


def test_the_picture_is_embedded_as_by_the_original(tiny):
    close(tiny.parts.image_encoder()(KNOWN["rgb"]), "embedding")


def test_the_picture_is_encoded_as_by_the_original(tiny):
    close(tiny.pictures.unscaled(tiny.encode(KNOWN["rgb"])), "latents")


def test_latents_are_decoded_as_by_the_original(tiny):
    found = tiny.decode(KNOWN["noisy"]).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, (KNOWN["decoded"] / 2 + 0.5).clamp(0, 1), rtol=0, atol=1e-4)


def test_the_token_is_that_of_the_original(tiny):
    close(tiny.projection(KNOWN["embedding"].expand(2, -1), KNOWN["pose"]), "token")


def test_the_noise_is_predicted_as_by_the_original(tiny):
    wanted, nothing = told(KNOWN["token"], KNOWN["latents"]), told(0 * KNOWN["token"], 0 * KNOWN["latents"])
    found = tiny.predict(KNOWN["noisy"], KNOWN["steps"], {"positive": wanted, "unconditional": nothing}, None)
    close(found["positive"], "positive")
    close(found["unconditional"], "unconditional")


def test_the_noise_schedule_is_that_of_the_original(tiny):
    close(tiny.noise_schedule.alphas_cumprod, "alphas_cumprod")
    assert tiny.noise_schedule.prediction == "epsilon"


def test_without_average_weights_the_trained_ones_are_taken(tmp_path):
    trained = {name: tensor for name, tensor in tiny_state().items() if not name.startswith(AVERAGES)}
    prior = load(save_checkpoint(tmp_path / "trained.ckpt", trained))
    wanted = told(KNOWN["token"], KNOWN["latents"])
    found = prior.predict(KNOWN["noisy"], KNOWN["steps"], {"positive": wanted}, None)
    close(found["positive"], "positive_without_average")


def test_the_same_tensors_do_as_safetensors_and_in_half_precision(tiny, tmp_path):
    save_file({name: tensor.half() for name, tensor in tiny_state().items()}, tmp_path / "half.safetensors")
    prior = load(tmp_path / "half.safetensors")
    assert all(tensor.dtype == torch.float32 for tensor in prior.unet.parameters())
    wanted = {"positive": told(KNOWN["token"], KNOWN["latents"])}
    found = prior.predict(KNOWN["noisy"], KNOWN["steps"], wanted, None)["positive"]
    torch.testing.assert_close(found, KNOWN["positive"], rtol=0, atol=0.05)


def test_the_published_size_has_a_place_for_every_tensor():
    everything = {name: torch.empty(shape, device="meta") for name, shape in FULL.items()}
    parts = LdmParts(everything, "full.ckpt")
    assert parts._unet.config.block_out_channels == (320, 640, 1280, 1280)
    assert sum(parameter.numel() for parameter in parts._unet.parameters()) == 859_532_484


def test_diffusers_own_conversion_agrees(tiny):
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

    state = {name: tensor for name, tensor in tiny_state().items() if not name.startswith(AVERAGES)}
    parts = LdmParts(state, "trained.ckpt")
    theirs = convert_ldm_unet_checkpoint(dict(state), dict(parts._unet.config))
    ours = parts.unet().state_dict()
    assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in ours)
    theirs, ours = convert_ldm_vae_checkpoint(dict(state), dict(parts._vae.config)), parts.vae().state_dict()
    assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in ours)


@pytest.mark.parametrize(
    "name",
    [
        "first_stage_model.decoder.mid.attn_1.q.weight",
        "cond_stage_model.model.visual.conv1.weight",
        "cc_projection.bias",
        next(name for name in TINY if name.startswith(AVERAGE)),
    ],
)
def test_a_missing_tensor_is_named(name):
    shown = name.removeprefix("first_stage_model.").removeprefix("cond_stage_model.model.visual.")
    state = tiny_state()
    del state[name]
    with pytest.raises(ConfigError, match=rf"prior.path: .*tiny.ckpt does not fit .*: tensors 1 missing \({shown}\)"):
        LdmParts(state, "tiny.ckpt")


def test_of_many_wrong_tensors_the_first_are_named_and_all_are_counted():
    state = {name.replace("input_blocks.2.", "input_block.2."): tensor for name, tensor in tiny_state().items()}
    moved = sum(name.startswith("model.diffusion_model.input_blocks.2.") for name in TINY)
    with pytest.raises(ConfigError, match=rf"{moved} unexpected \(input_block.2.0.emb.* and {moved - 5} more\)"):
        LdmParts({name: tensor for name, tensor in state.items() if not name.startswith(AVERAGES)}, "moved.ckpt")


def test_a_tensor_of_another_shape_is_named():
    state = tiny_state() | {"first_stage_model.encoder.conv_out.bias": torch.zeros(3)}
    with pytest.raises(ConfigError, match=r"of another shape \(encoder.conv_out.bias \[3\], not \[8\]\)"):
        LdmParts(state, "tiny.ckpt")


def test_stable_diffusion_is_not_taken_for_zero123():
    text_to_image = {name: tensor for name, tensor in tiny_state().items() if not name.startswith(("cc_", "cond_"))}
    with pytest.raises(
        ConfigError, match=r"sd.ckpt does not fit .* 2 missing \(cc_projection.bias, .* or of another model"
    ):
        LdmParts(text_to_image, "sd.ckpt")

"""The original layout's tensors find their places: all of the published model, and as diffusers itself puts them."""

import torch
from tiny_mvdream import SHAPES, state

from maquette.priors.mvdream.camera_rows import CAMERA_CONFIG
from maquette.priors.mvdream.layouts import CLIP, OPEN_CLIP, UNET, VAE
from maquette.weights import ldm, ldm_clip


def published() -> dict[str, torch.Tensor]:
    """The tensors of sd-v2.1-base-4view.pt, without numbers in them."""
    return {name: torch.empty(shape, device="meta") for name, shape in SHAPES["published"].items()}


def test_every_tensor_of_the_published_networks_has_a_place():
    unet = ldm.unet(ldm.tensors_with_prefix(published(), UNET), "", **CAMERA_CONFIG)
    assert unet.config.block_out_channels == (320, 640, 1280, 1280)
    assert unet.config.attention_head_dim == (5, 10, 20, 20) and unet.config.cross_attention_dim == 1024
    vae = ldm.vae(ldm.tensors_with_prefix(published(), VAE), "")
    assert vae.config.block_out_channels == (128, 256, 512, 512) and vae.config.scaling_factor == 0.18215


def test_the_unet_is_converted_as_diffusers_converts_it():
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    unet = ldm.unet(ldm.tensors_with_prefix(state(), UNET), "", **CAMERA_CONFIG)
    named = {name.replace("camera_embed", "label_emb.0"): value for name, value in state().items()}
    wanted = convert_ldm_unet_checkpoint(named, dict(unet.config))
    assert wanted.keys() == unet.state_dict().keys()
    assert all(torch.equal(value, wanted[name]) for name, value in unet.state_dict().items())


def test_the_autoencoder_is_converted_as_diffusers_converts_it():
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    vae = ldm.vae(ldm.tensors_with_prefix(state(), VAE), "")
    wanted = convert_ldm_vae_checkpoint(state(), vae.config)
    assert wanted.keys() == vae.state_dict().keys()
    assert all(torch.equal(value.flatten(), wanted[name].flatten()) for name, value in vae.state_dict().items())


def test_ldm_clip_gives_what_open_clip_gives():
    from tiny_mvdream import theirs

    encoder = ldm_clip.open_clip(ldm.tensors_with_prefix(state(), OPEN_CLIP), "")
    found = encoder(theirs()["tokens"]).last_hidden_state
    torch.testing.assert_close(found, theirs()["text"], rtol=1e-4, atol=1e-4)


def test_a_text_encoder_with_transformers_names_is_taken_as_it_is():
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    size = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}
    wanted = CLIPTextModel(CLIPTextConfig(vocab_size=50, max_position_embeddings=8, eos_token_id=49, **size)).eval()
    named = {f"{CLIP}text_model.{name}": value for name, value in wanted.state_dict().items()}
    named[f"{CLIP}text_model.embeddings.position_ids"] = torch.arange(8)[None]
    found = ldm_clip.clip(ldm.tensors_with_prefix(named, CLIP), "")
    tokens = torch.arange(8)[None]
    torch.testing.assert_close(found(tokens).last_hidden_state, wanted(tokens).last_hidden_state)

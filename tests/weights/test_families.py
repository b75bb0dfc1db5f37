"""Which priors a model is for, from the classes of its parts."""

import pytest

from maquette.weights.families import CAMERA_CLASSES, RAMP, lora_users, prior_types, text_encoders

CLIP, XL = {"text_encoder": "CLIPTextModel"}, {"text_encoder_2": "CLIPTextModelWithProjection"}
T5 = {"text_encoder": "T5EncoderModel"}


@pytest.mark.parametrize(
    ("classes", "unet", "latents", "priors"),
    [
        (CLIP, {"in_channels": 4}, 4, ("stable-diffusion", "controlnet")),
        (CLIP, {"in_channels": 3}, None, ("stable-diffusion",)),  # in pixels
        (CLIP, {"in_channels": 8}, 4, ("instruct-pix2pix",)),
        (CLIP, {"in_channels": 9}, 4, ()),  # inpainting
        (CLIP | XL, {"in_channels": 4}, 4, ("stable-diffusion-xl",)),
        (CLIP | XL, {"in_channels": 8}, 4, ()),
        (T5, {"in_channels": 3}, None, ("deepfloyd-if",)),
        (T5, {"in_channels": 6, "class_embed_type": "timestep"}, None, ()),  # its second stage
        (CLIP, {"in_channels": 4, **CAMERA_CLASSES}, 4, ("mvdream",)),
        ({"unet": "MultiViewUNetModel"}, {"_class_name": "MultiViewUNetModel"}, 4, ("mvdream",)),
        (CLIP, {"_class_name": "MultiViewUNetModel", "ip_dim": 16}, 4, ()),  # ImageDream
        (CLIP | {RAMP: "list"}, {"in_channels": 4}, 4, ("zero123plus",)),
        ({"cc_projection": "CCProjection"}, {"in_channels": 8}, 4, ("zero123",)),
        ({"text_encoder": "GemmaModel"}, {"in_channels": 4}, 4, ()),
    ],
)
def test_families_are_known_by_the_classes_of_their_parts(classes, unet, latents, priors):
    assert prior_types(classes, unet, latents) == priors


def test_text_encoders_come_in_the_order_of_their_numbers():
    assert text_encoders({**XL, "unet": "UNet2DConditionModel", **CLIP}) == (
        "CLIPTextModel", "CLIPTextModelWithProjection",
    )  # fmt: skip


def test_a_lora_is_for_the_priors_of_its_text_width():
    assert lora_users(768, False) == ("stable-diffusion", "controlnet", "instruct-pix2pix")
    assert lora_users(2048, False) == lora_users(None, True) == ("stable-diffusion-xl",)
    assert "deepfloyd-if" in lora_users(None, False)


def test_a_damaged_number_of_latent_channels_fits_no_prior():
    assert prior_types({}, {"in_channels": 4}, {"a": 1}) == ()  # type: ignore[arg-type]

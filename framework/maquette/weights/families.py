"""Which priors a model or a LoRA is for, by the classes of its parts and the sizes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FAMILIES = {
    ("CLIPTextModel",): "stable-diffusion",
    ("CLIPTextModel", "CLIPTextModelWithProjection"): "stable-diffusion-xl",
    ("T5EncoderModel",): "deepfloyd-if",
}
"""Text encoder classes of a model -> the prior that supports them."""
TEXT_WIDTHS = {
    768: ("stable-diffusion", "controlnet", "instruct-pix2pix"), 1024: ("stable-diffusion", "controlnet"),
    2048: ("stable-diffusion-xl",),
}  # fmt: skip
"""Width of the text embeddings in a LoRA for a UNet -> priors of that width: SD 1, SD 2 and SDXL."""
WITH_LORA = ("stable-diffusion", "stable-diffusion-xl", "deepfloyd-if", "controlnet", "instruct-pix2pix")
"""Priors that take LoRAs."""
PORTED_MVDREAM = "MultiViewUNetModel"
"""Class of the UNet in the port of MVDream; its tensors have the original names."""
CAMERA_CLASSES = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
"""Config of a UNet2DConditionModel that takes cameras as `class_labels` [B, 16]."""
PROJECTIONS = ("clip_camera_projection", "cc_projection")
"""Names of the part that projects camera and picture, in the ports of Zero123."""
RAMP = "ramping_coefficients"
"""Entry of `model_index.json` that Zero123++ has."""
VIEWS = "views"
"""Entry of `model_index.json` of a Zero123 that denoises several views of an object together: their number."""


def text_encoders(classes: Mapping[str, str]) -> tuple[str, ...]:
    """The classes of a model's text encoders, from part -> class."""
    return tuple(classes[part] for part in ("text_encoder", "text_encoder_2", "text_encoder_3") if part in classes)


def prior_types(classes: Mapping[str, str], unet: Mapping[str, Any], latent_channels: int | None) -> tuple[str, ...]:
    """The types of priors that can take a model in diffusers' layout.

    Args:
        classes: part -> class, and RAMP -> anything if the index has it.
        unet: config of the UNet.
        latent_channels: of the autoencoder; None: there is none.
    """
    if RAMP in classes:
        return ("zero123plus",)
    if any(name in classes for name in PROJECTIONS):
        return ("zero123",)
    takes_cameras = all(unet.get(name) == value for name, value in CAMERA_CLASSES.items())
    if unet.get("_class_name") == PORTED_MVDREAM or takes_cameras:
        return () if unet.get("ip_dim") else ("mvdream",)
    family = FAMILIES.get(text_encoders(classes))
    if not isinstance(latent_channels, int | None):  # a damaged config
        return ()
    channels, pictures = unet.get("in_channels"), latent_channels or 3
    if family is None or unet.get("class_embed_type") or channels not in (pictures, 2 * pictures):
        return ()
    if channels == 2 * pictures:
        return ("instruct-pix2pix",) if family == "stable-diffusion" else ()
    return (family, "controlnet") if family == "stable-diffusion" and latent_channels else (family,)


def lora_users(text_width: int | None, second_encoder: bool) -> tuple[str, ...]:
    """The types of priors that a LoRA is for.

    Args:
        text_width: width of the text embeddings that its additions take; None: it has none to cross-attention.
        second_encoder: whether it has additions to a second text encoder.
    """
    if second_encoder:
        return ("stable-diffusion-xl",)
    return TEXT_WIDTHS.get(text_width or 0, WITH_LORA)

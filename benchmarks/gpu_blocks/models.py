"""Priors of the published shapes, or of tiny ones, with seeded random weights, as folders in diffusers' layout.

UNet and autoencoder, which run at every step, have the published sizes. Text and image encoders run once, so they have
one layer. Weights are written in half precision, which the priors read into the type that they compute in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from gpu_blocks.record import Setting
from maquette.learners.base import word_tokenizer
from maquette.priors.mvdream.camera_rows import CAMERA_CONFIG
from maquette.weights.loading import quiet

SD15: dict[str, Any] = {"cross_attention_dim": 768}  # the rest are diffusers' defaults, which are SD 1.5's
SD21: dict[str, Any] = {
    "cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True,
}  # fmt: skip
SDXL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048, "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10), "use_linear_projection": True,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
TINY_UNET: dict[str, Any] = {
    "block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8, "attention_head_dim": 4,
    "transformer_layers_per_block": 1, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}  # fmt: skip
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def unet(shape: dict[str, Any], tiny: bool, **more: Any) -> Any:
    """A UNet of a published shape; tiny: of the same kind, much smaller."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**{**shape, **(TINY_UNET if tiny else {}), **more})


def autoencoder(tiny: bool, scaling: float = 0.18215) -> Any:
    """The autoencoder that Stable Diffusion 1, 2 and XL share, or a tiny one, which halves the side."""
    from diffusers import AutoencoderKL

    widths = (16, 16) if tiny else (128, 256, 512, 512)
    return AutoencoderKL(
        block_out_channels=widths, latent_channels=4, norm_num_groups=8 if tiny else 32, scaling_factor=scaling,
        layers_per_block=1 if tiny else 2, down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
    )  # fmt: skip


def stable_diffusion(setting: Setting) -> Path:
    """SD 1.5: 64 x 64 latents of 512 x 512 pixels."""
    text = _text(setting.pick(768, 32))
    shape = {**SD15, "cross_attention_dim": setting.pick(768, 32), "sample_size": setting.pick(64, 16)}
    return _folder(setting, "sd15", "StableDiffusionPipeline", shape, text_encoder=text)


def mvdream(setting: Setting) -> Path:
    """MVDream on SD 2.1: 32 x 32 latents of 256 x 256 pixels, conditioned on cameras."""
    text = _text(setting.pick(1024, 32))
    shape = {**SD21, "cross_attention_dim": setting.pick(1024, 32), "sample_size": setting.pick(32, 16)}
    return _folder(setting, "mvdream", "MVDreamPipeline", {**shape, **CAMERA_CONFIG}, text_encoder=text)


def stable_diffusion_xl(setting: Setting) -> Path:
    """SDXL: 128 x 128 latents of 1024 x 1024 pixels, two text encoders."""
    first, second = setting.pick(768, 16), setting.pick(1280, 24)
    tiny_time_embedding = {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + second}
    shape = {
        **SDXL, "cross_attention_dim": first + second, "sample_size": setting.pick(128, 16),
        **(tiny_time_embedding if setting.tiny else {}),
    }  # fmt: skip
    return _folder(
        setting, "sdxl", "StableDiffusionXLPipeline", shape, 0.13025, text_encoder=_text(first),
        text_encoder_2=_text(second, projected=True),
    )  # fmt: skip


def zero123(setting: Setting) -> Path:
    """Zero-1-to-3: SD 1.x with the reference's latents as further input channels, 256 x 256 pixels."""
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

    width = setting.pick(768, 32)
    shape = {**SD15, "cross_attention_dim": width, "in_channels": 8, "sample_size": setting.pick(32, 16)}
    vision = CLIPVisionConfig(
        hidden_size=width, intermediate_size=width, num_hidden_layers=1, num_attention_heads=4,
        image_size=setting.pick(224, 16), patch_size=setting.pick(14, 8), projection_dim=width,
    )  # fmt: skip
    folder = _folder(
        setting, "zero123", "Zero123Pipeline", shape, image_encoder=CLIPVisionModelWithProjection(vision),
        feature_extractor=CLIPImageProcessorPil(), clip_camera_projection=None,
    )  # fmt: skip
    (folder / "clip_camera_projection").mkdir(exist_ok=True)
    keyed = torch.Generator().manual_seed(1)
    projection = {"proj.weight": torch.randn(width, width + 4, generator=keyed) / 30, "proj.bias": torch.zeros(width)}
    save_file(projection, folder / "clip_camera_projection" / "diffusion_pytorch_model.safetensors")
    return folder


def _folder(
    setting: Setting, name: str, pipeline: str, shape: dict[str, Any], scaling: float = 0.18215, **components: Any
) -> Path:
    """Make a model's folder, unless an earlier block has; the large networks are drawn on the device."""
    from diffusers import DDPMScheduler

    folder = setting.folder / f"{name}-{'tiny' if setting.tiny else 'published'}"
    if (folder / "model_index.json").is_file():
        return folder
    torch.manual_seed(0)
    with torch.device(setting.device):
        networks = {"unet": unet(shape, setting.tiny), "vae": autoencoder(setting.tiny, scaling)}
    parts = {**networks, "scheduler": DDPMScheduler(**BETAS, clip_sample=False, steps_offset=1), **components}
    if "image_encoder" not in parts:
        words = word_tokenizer(["a", "red", "mug"], 77)
        parts |= {encoder.replace("text_encoder", "tokenizer"): words for encoder in components}
    with quiet():
        for part, component in parts.items():
            if component is not None:
                (component.half() if isinstance(component, torch.nn.Module) else component).save_pretrained(
                    folder / part
                )
    index = {part: ["diffusers", type(component).__name__] for part, component in parts.items()}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline, **index}))
    return folder


def _text(width: int, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    words = word_tokenizer(["a", "red", "mug"], 77)
    config = CLIPTextConfig(
        vocab_size=len(words), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=4, projection_dim=width, eos_token_id=words.eos_token_id, bos_token_id=words.bos_token_id,
        pad_token_id=words.pad_token_id,
    )  # fmt: skip
    return CLIPTextModelWithProjection(config) if projected else CLIPTextModel(config)

"""Tiny Zero123 models with random weights, in the original layout and in that of the diffusers ports."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

FIXTURES = Path(__file__).parent / "fixtures" / "zero123"
FULL: dict[str, list[int]] = json.loads((FIXTURES / "full_keys.json").read_text())
"""Name -> shape of every tensor of a published checkpoint, but for the average weights."""
TINY: dict[str, list[int]] = json.loads((FIXTURES / "tiny_keys.json").read_text())
"""The same of a small model of the original code, with average weights."""


def fill(name: str, shape: list[int]) -> Tensor:
    """Numbers that follow from the name alone, of a size that keeps activations about 1."""
    draws = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if len(shape) > 1:
        draws = draws / np.sqrt(np.prod(shape[1:]))
    elif "bias" in name:
        draws = draws / 10
    else:
        draws = 1 + draws / 10
    return torch.from_numpy(np.asarray(draws, dtype=np.float32))


def tiny_state() -> dict[str, Tensor]:
    """The weights of the tiny model whose outputs are stored in outputs.safetensors."""
    return {name: fill(name, shape) for name, shape in TINY.items()}


def save_checkpoint(path: Path, state: Mapping[str, Tensor], **beside: object) -> Path:
    """A checkpoint as Lightning writes it."""
    torch.save({"epoch": 0, "global_step": 1, "state_dict": dict(state), **beside}, path)
    return path


def save_folder(folder: Path, latent: bool, dtype: torch.dtype = torch.float32) -> Path:
    """A random model in the layout of the diffusers ports; in pixel space it predicts v, as our learner's does."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    channels, sample_size = (4, 8) if latent else (3, 16)
    unet = UNet2DConditionModel(
        sample_size=sample_size, in_channels=2 * channels, out_channels=channels, block_out_channels=(16, 32),
        layers_per_block=1, norm_num_groups=8, cross_attention_dim=24, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, image_size=16, patch_size=8,
        projection_dim=24,
    )  # fmt: skip
    parts = {
        "unet": unet.to(dtype),
        "image_encoder": CLIPVisionModelWithProjection(vision).to(dtype),
        "scheduler": DDPMScheduler(prediction_type="epsilon" if latent else "v_prediction", clip_sample=False),
        "feature_extractor": CLIPImageProcessorPil(image_mean=[0.5] * 3, image_std=[0.25] * 3),
    }
    if latent:
        parts["vae"] = AutoencoderKL(
            block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        ).to(dtype)  # fmt: skip
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    index = {name: ["diffusers", type(part).__name__] for name, part in parts.items()}
    index |= {"clip_camera_projection": ["zero123", "CLIPCameraProjection"]} | ({} if latent else {"vae": [None, None]})
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "Zero123Pipeline", **index}))
    (folder / "clip_camera_projection").mkdir()
    projection = {"proj.weight": fill("weight", [24, 28]).to(dtype), "proj.bias": fill("bias", [24]).to(dtype)}
    save_file(projection, folder / "clip_camera_projection" / "diffusion_pytorch_model.safetensors")
    return folder

"""Tiny Zero123++ models with weights that follow from their names, in the layout of the published ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import (
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from maquette.learners.base import word_tokenizer
from maquette.weights.loading import quiet
from zero123_layouts import fill

SIZE = 8  # side of a view in pixels
REFERENCE = 16  # side of the reference in pixels
WIDTH, TOKENS = 24, 16
RAMP = [k / TOKENS for k in range(TOKENS)]


def tiny_parts(latent: bool) -> dict[str, Any]:
    """The parts of a model, by their names in the layout; without an autoencoder its canvas is as large in pixels."""
    from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel

    tokenizer = word_tokenizer(["a", "red", "mug"], TOKENS)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=TOKENS, eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4, image_size=REFERENCE,
        patch_size=8, projection_dim=WIDTH,
    )  # fmt: skip
    channels, sample_size = (4, 64) if latent else (3, (3 * SIZE, 2 * SIZE))
    unet = UNet2DConditionModel(
        sample_size=sample_size, in_channels=channels, out_channels=channels, block_out_channels=(16, 32),
        layers_per_block=1, norm_num_groups=8, cross_attention_dim=WIDTH, attention_head_dim=4,
        use_linear_projection=True, down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
    )  # fmt: skip
    half = 0.8 if latent else 0.5
    sides = {"size": {"shortest_edge": REFERENCE}, "crop_size": {"height": REFERENCE, "width": REFERENCE}}
    parts = {
        "unet": unet,
        "text_encoder": CLIPTextModel(text),
        "tokenizer": tokenizer,
        "vision_encoder": CLIPVisionModelWithProjection(vision),
        "feature_extractor_clip": CLIPImageProcessorPil(**sides),
        "feature_extractor_vae": CLIPImageProcessorPil(**sides, resample=2, image_mean=0.5, image_std=half),
        "scheduler": EulerAncestralDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="linear", prediction_type="v_prediction",
            timestep_spacing="trailing",
        ),
    }  # fmt: skip
    if latent:
        parts["vae"] = AutoencoderKL(
            block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        )  # fmt: skip
    for name in ("unet", "text_encoder", "vision_encoder", "vae"):
        if name in parts:
            _fill(parts[name])
    return parts


def _fill(network: Any) -> None:
    state = network.state_dict()
    network.load_state_dict({name: fill(name, list(tensor.shape)) for name, tensor in state.items()})
    network.eval()


def save_folder(folder: Path, latent: bool) -> Path:
    """A tiny model on disk."""
    parts = tiny_parts(latent)
    with quiet():
        for name, part in parts.items():
            part.save_pretrained(folder / name)
    index = {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}
    index |= {} if latent else {"vae": [None, None]}
    facts = {"_class_name": "Zero123PlusPipeline", "ramping_coefficients": RAMP, **index}
    (folder / "model_index.json").write_text(json.dumps(facts))
    return folder

"""Conversion of the CLIP towers in latent diffusion checkpoints to transformers networks.

Source: the code of OpenAI's CLIP and mlfoundations' open_clip, which name tensors alike, and transformers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from maquette.weights.ldm import State, load_tensors, replace_words, tensor_shape

HEAD_WIDTH = 64  # channels of a head
LAYERS = {
    "encoder.layers": "transformer.resblocks", "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj", "self_attn.": "attn.",
}  # fmt: skip
TEXT = LAYERS | {
    "embeddings.token_embedding": "token_embedding", "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
}  # fmt: skip
PICTURES = LAYERS | {
    "vision_model.": "", "embeddings.class_embedding": "class_embedding", "embeddings.patch_embedding": "conv1",
    "embeddings.position_embedding.weight": "positional_embedding", "pre_layrnorm": "ln_pre",
    "post_layernorm": "ln_post", "visual_projection.weight": "proj",
}  # fmt: skip


def open_clip(state: State, what: str) -> Any:
    """Build a CLIPTextModel from OpenCLIP's tensors without the last layer, as SD 2 uses it; see `ldm.unet`."""
    unused = ("logit_scale", "text_projection", "attn_mask")
    last = max((int(name.split(".")[2]) for name in state if name.startswith("transformer.resblocks.")), default=1)
    ignored = (*unused, f"transformer.resblocks.{last}.")
    tensors = {name: value for name, value in state.items() if not name.startswith(ignored)}
    network = _text_model(
        tensors, what, "token_embedding.weight", "positional_embedding",
        "transformer.resblocks.0.mlp.c_fc.weight", last, "gelu",
    )  # fmt: skip
    return load_tensors(
        network, _unfused(tensors), what, {name: replace_words(name, TEXT) for name in network.state_dict()}
    )


def clip(state: State, what: str) -> Any:
    """Build a CLIPTextModel from SD 1's tensors, which have transformers' names; see `ldm.unet`."""
    tensors = {name.removeprefix("text_model."): value for name, value in state.items() if "position_ids" not in name}
    blocks = len({name.split(".")[2] for name in tensors if name.startswith("encoder.layers.")})
    network = _text_model(
        tensors, what, "embeddings.token_embedding.weight", "embeddings.position_embedding.weight",
        "encoder.layers.0.mlp.fc1.weight", blocks, "quick_gelu",
    )  # fmt: skip
    return load_tensors(network, tensors, what, {name: name for name in network.state_dict()})


def picture_tower(state: State, what: str) -> Any:
    """Build a CLIPVisionModelWithProjection from the image tower of OpenAI's CLIP; see `ldm.unet`."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    patches = tensor_shape(state, "conv1.weight", what)
    positions, projection = tensor_shape(state, "positional_embedding", what)[0], tensor_shape(state, "proj", what)[1]
    with torch.device("meta"):
        network: Any = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=patches[0],
                intermediate_size=tensor_shape(state, "transformer.resblocks.0.mlp.c_fc.weight", what)[0],
                num_hidden_layers=len({name.split(".")[2] for name in state if ".resblocks." in name}),
                num_attention_heads=patches[0] // HEAD_WIDTH,
                image_size=round((positions - 1) ** 0.5) * patches[-1],
                patch_size=patches[-1],
                projection_dim=projection,
            )
        )
    network.vision_model.embeddings.position_ids = torch.arange(positions)[None]  # a buffer that no file has
    tensors = _unfused(state) | {"proj": state["proj"].T}
    return load_tensors(network, tensors, what, {name: replace_words(name, PICTURES) for name in network.state_dict()})


def _unfused(state: State) -> dict[str, Tensor]:
    """Tensors with each `in_proj_weight` and `in_proj_bias` split into `q_proj`, `k_proj` and `v_proj`."""
    split: dict[str, Tensor] = {}
    for name, value in state.items():
        stem, fused, kind = name.rpartition("in_proj_")
        if fused:
            thirds = zip("qkv", value.chunk(3), strict=True)
            split |= {f"{stem}{letter}_proj.{kind}": third for letter, third in thirds}
        else:
            split[name] = value
    return split


def _text_model(state: State, what: str, tokens: str, positions: str, hidden: str, layers: int, activation: str) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    vocabulary, width = tensor_shape(state, tokens, what)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=tensor_shape(state, hidden, what)[0],
            num_hidden_layers=layers,
            num_attention_heads=width // HEAD_WIDTH,
            max_position_embeddings=tensor_shape(state, positions, what)[0],
            hidden_act=activation,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
        )
    )

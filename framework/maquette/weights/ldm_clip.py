"""CLIP's towers as latent diffusion checkpoints carry them: flat maps, as transformers' networks.

Source: the code of OpenAI's CLIP and mlfoundations' open_clip, which name tensors alike, and transformers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from maquette.weights.ldm import State, filled, replaced, shape

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
    """A CLIPTextModel that ends where OpenCLIP's penultimate layer does, as SD 2 takes it; see `_ldm.unet`."""
    unused = ("logit_scale", "text_projection", "attn_mask")
    last = max((int(name.split(".")[2]) for name in state if name.startswith("transformer.resblocks.")), default=1)
    ignored = (*unused, f"transformer.resblocks.{last}.")
    kept = {name: value for name, value in state.items() if not name.startswith(ignored)}
    made = _text_model(
        kept, what, "token_embedding.weight", "positional_embedding", "transformer.resblocks.0.mlp.c_fc.weight", last,
        "gelu",
    )  # fmt: skip
    return filled(made, _unfused(kept), what, {name: replaced(name, TEXT) for name in made.state_dict()})


def clip(state: State, what: str) -> Any:
    """A CLIPTextModel out of SD 1's tensors, which have transformers' names; see `_ldm.unet`."""
    kept = {name.removeprefix("text_model."): value for name, value in state.items() if "position_ids" not in name}
    blocks = len({name.split(".")[2] for name in kept if name.startswith("encoder.layers.")})
    made = _text_model(
        kept, what, "embeddings.token_embedding.weight", "embeddings.position_embedding.weight",
        "encoder.layers.0.mlp.fc1.weight", blocks, "quick_gelu",
    )  # fmt: skip
    return filled(made, kept, what, {name: name for name in made.state_dict()})


def picture_tower(state: State, what: str) -> Any:
    """A CLIPVisionModelWithProjection out of the picture tower of OpenAI's CLIP; see `_ldm.unet`."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    patches = shape(state, "conv1.weight", what)
    places, projection = shape(state, "positional_embedding", what)[0], shape(state, "proj", what)[1]
    with torch.device("meta"):
        made: Any = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=patches[0],
                intermediate_size=shape(state, "transformer.resblocks.0.mlp.c_fc.weight", what)[0],
                num_hidden_layers=len({name.split(".")[2] for name in state if ".resblocks." in name}),
                num_attention_heads=patches[0] // HEAD_WIDTH,
                image_size=round((places - 1) ** 0.5) * patches[-1],
                patch_size=patches[-1],
                projection_dim=projection,
            )
        )
    made.vision_model.embeddings.position_ids = torch.arange(places)[None]  # a buffer that no file has
    turned = _unfused(state) | {"proj": state["proj"].T}
    return filled(made, turned, what, {name: replaced(name, PICTURES) for name in made.state_dict()})


def _unfused(state: State) -> dict[str, Tensor]:
    """`in_proj_weight` and `in_proj_bias` as three of `q_proj`, `k_proj` and `v_proj` each."""
    apart: dict[str, Tensor] = {}
    for name, value in state.items():
        stem, fused, kind = name.rpartition("in_proj_")
        if fused:
            thirds = zip("qkv", value.chunk(3), strict=True)
            apart |= {f"{stem}{letter}_proj.{kind}": third for letter, third in thirds}
        else:
            apart[name] = value
    return apart


def _text_model(state: State, what: str, tokens: str, positions: str, hidden: str, layers: int, activation: str) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    vocabulary, width = shape(state, tokens, what)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=shape(state, hidden, what)[0],
            num_hidden_layers=layers,
            num_attention_heads=width // HEAD_WIDTH,
            max_position_embeddings=shape(state, positions, what)[0],
            hidden_act=activation,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
        )
    )

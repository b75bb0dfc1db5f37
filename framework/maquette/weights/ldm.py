"""Conversion of original latent diffusion checkpoints (one flat map of tensors) to diffusers networks.

A network's sizes are inferred from the shapes. Original tensor names are derived from those in the network, so that
errors name missing and unexpected tensors as the file does.

Source: the code of CompVis' latent-diffusion and diffusers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from maquette.weights.loading import refuse_differences
from maquette.weights.raw_files import refuse_non_finite

State = Mapping[str, Tensor]
VAE_SCALE = 0.18215  # of the latents of SD 1 and 2
HEAD_WIDTH, HEADS = 64, 8  # channels of a head where projections are linear (SD 2), heads where they are not (SD 1)
UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "class_embedding.linear_1": "camera_embed.0", "class_embedding.linear_2": "camera_embed.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}  # fmt: skip
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
VAE = {
    "mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2", "mid_block.attentions.0": "mid.attn_1",
    "conv_shortcut": "nin_shortcut", "conv_norm_out": "norm_out", "group_norm": "norm", "to_q": "q", "to_k": "k",
    "to_v": "v", "to_out.0": "proj_out", "downsamplers.0": "downsample", "upsamplers.0": "upsample",
    "down_blocks": "down", "resnets": "block",
}  # fmt: skip


def tensors_with_prefix(state: State, prefix: str) -> dict[str, Tensor]:
    """The tensors with names that begin with `prefix`, by names without the prefix."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def unet(state: State, what: str, **extra: Any) -> Any:
    """Build a UNet2DConditionModel from original tensors, frozen and in float32.

    Args:
        state: all tensors of the UNet, and no others.
        what: their source, for messages.
        extra: further entries of its config (class embedding, sample size).

    Raises:
        ConfigError: tensors are missing, unexpected or of another shape.
    """
    from diffusers import UNet2DConditionModel

    downsamplers = sorted(
        int(name.split(".")[1]) for name in state if re.fullmatch(r"input_blocks\.\d+\.0\.op\.bias", name)
    )
    per_level = downsamplers[0] if downsamplers else 1
    blocks = [per_level * level + 1 for level in range(len(downsamplers) + 1)]
    widths = tuple(tensor_shape(state, f"input_blocks.{block}.0.out_layers.3.weight", what)[0] for block in blocks)
    attends = [f"input_blocks.{block}.1.norm.weight" in state for block in blocks]
    linear = len(tensor_shape(state, "middle_block.1.proj_in.weight", what)) == 2
    with torch.device("meta"):
        network: Any = UNet2DConditionModel(
            in_channels=tensor_shape(state, "input_blocks.0.0.weight", what)[1],
            out_channels=tensor_shape(state, "out.2.weight", what)[0],
            block_out_channels=widths,
            layers_per_block=per_level - 1,
            cross_attention_dim=tensor_shape(state, "middle_block.1.transformer_blocks.0.attn2.to_k.weight", what)[1],
            attention_head_dim=tuple(width // HEAD_WIDTH for width in widths) if linear else HEADS,
            use_linear_projection=linear,
            down_block_types=tuple("CrossAttnDownBlock2D" if on else "DownBlock2D" for on in attends),
            up_block_types=tuple("CrossAttnUpBlock2D" if on else "UpBlock2D" for on in reversed(attends)),
            **extra,
        )
    return load_tensors(
        network, state, what, {name: _unet_name(name, per_level, attends[::-1]) for name in network.state_dict()}
    )


def original_layers(unet: Any) -> dict[str, str]:
    """Layer of a UNet2DConditionModel -> its original name; empty if the original had no such blocks."""
    ups = getattr(getattr(unet, "config", None), "up_block_types", ())
    if not ups or not set(ups) <= {"UpBlock2D", "CrossAttnUpBlock2D"}:
        return {}
    per_level, attends = unet.config.layers_per_block + 1, [kind == "CrossAttnUpBlock2D" for kind in ups]
    names = [name.removesuffix(".weight") for name in unet.state_dict() if name.endswith(".weight")]
    return {name: _unet_name(f"{name}.weight", per_level, attends).removesuffix(".weight") for name in names}


def _unet_name(name: str, per_level: int, attends: list[bool]) -> str:
    """The original name of a UNet's tensor; `attends`: which up blocks have attention."""
    if "resnets." in name:
        for ours, theirs in RESNET.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
    for ours, theirs in UNET.items():
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    side, number, kind, index, rest = name.split(".", 4)
    level = int(number)
    first, down = per_level * level, side == "down_blocks"
    if kind == "downsamplers":
        return f"input_blocks.{first + per_level}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        return f"output_blocks.{first + per_level - 1}.{2 if attends[level] else 1}.{rest}"
    block = f"input_blocks.{first + 1 + int(index)}" if down else f"output_blocks.{first + int(index)}"
    return f"{block}.{0 if kind == 'resnets' else 1}.{rest}"


def vae(state: State, what: str) -> Any:
    """Build an AutoencoderKL from original tensors; see `unet`."""
    from diffusers import AutoencoderKL

    levels = len({name.split(".")[2] for name in state if name.startswith("encoder.down.")})
    layers = len({name.split(".")[4] for name in state if name.startswith("encoder.down.0.block.")})
    widths = tuple(
        tensor_shape(state, f"encoder.down.{level}.block.0.conv1.weight", what)[0] for level in range(levels)
    )
    with torch.device("meta"):
        network: Any = AutoencoderKL(
            block_out_channels=widths,
            layers_per_block=layers,
            latent_channels=tensor_shape(state, "post_quant_conv.weight", what)[0],
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            scaling_factor=VAE_SCALE,
        )

    def original(name: str) -> str:
        name = re.sub(r"up_blocks\.(\d+)", lambda match: f"up.{levels - 1 - int(match[1])}", name)
        return replace_words(name, VAE)

    return load_tensors(network, state, what, {name: original(name) for name in network.state_dict()})


def replace_words(name: str, words: Mapping[str, str]) -> str:
    """A name with each of diffusers' words replaced by the original one, in order."""
    for ours, theirs in words.items():
        name = name.replace(ours, theirs)
    return name


def tensor_shape(state: State, name: str, what: str) -> list[int]:
    """The shape of a required tensor.

    Raises:
        ConfigError: it is missing.
    """
    if name not in state:
        refuse_differences(what, [name], ())
    return list(state[name].shape)


def load_tensors(network: Any, state: State, what: str, names: Mapping[str, str]) -> Any:
    """Load tensors into a network; 1 x 1 convolutions are flattened where the network has linear layers.

    Args:
        names: name in the network -> name in `state`.

    Raises:
        ConfigError: tensors are missing, unexpected, of another shape, or not finite.
    """
    expected = set(names.values())
    refuse_differences(what, sorted(expected - state.keys()), sorted(state.keys() - expected))
    tensors, shapes = {}, []
    for name, own in network.state_dict().items():
        value = state[names[name]]
        flat = value.flatten(own.ndim - 1) if value.ndim > own.ndim else value
        if flat.shape != own.shape:
            shapes.append(f"{names[name]} {list(value.shape)}, not {list(own.shape)}")
        tensors[name] = flat.float()
    refuse_differences(what, (), (), shapes)
    refuse_non_finite(((name, state[name]) for name in sorted(expected)), what, "prior.path")
    network.load_state_dict(tensors, assign=True)
    return network.requires_grad_(False).eval()

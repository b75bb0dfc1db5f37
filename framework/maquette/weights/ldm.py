"""The original layout of latent diffusion models: one flat map of tensors, as diffusers' networks.

A network's sizes are read off the shapes. Its tensors' original names are derived from their names in the network, so
that what is missing from a file, or too much in it, is told in the file's own words.

Source: the code of CompVis' latent-diffusion and diffusers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from maquette.weights.loading import refuse_differences

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


def under(state: State, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def unet(state: State, what: str, **extra: Any) -> Any:
    """A UNet2DConditionModel out of the original's tensors, frozen and in float32.

    Args:
        state: all of them and no others.
        what: where they are from, for messages.
        extra: what else its config says (that it is told cameras, the size of its pictures).

    Raises:
        ConfigError: tensors are missing, unexpected or of another shape.
    """
    from diffusers import UNet2DConditionModel

    t = sorted(int(name.split(".")[1]) for name in state if re.fullmatch(r"input_blocks\.\d+\.0\.op\.bias", name))
    per_level = t[0] if t else 1
    levels = [per_level * level + 1 for level in range(len(t) + 1)]
    widths = tuple(shape(state, f"input_blocks.{block}.0.out_layers.3.weight", what)[0] for block in levels)
    attends = [f"input_blocks.{block}.1.norm.weight" in state for block in levels]
    linear = len(shape(state, "middle_block.1.proj_in.weight", what)) == 2
    with torch.device("meta"):
        made: Any = UNet2DConditionModel(
            in_channels=shape(state, "input_blocks.0.0.weight", what)[1],
            out_channels=shape(state, "out.2.weight", what)[0],
            block_out_channels=widths,
            layers_per_block=per_level - 1,
            cross_attention_dim=shape(state, "middle_block.1.transformer_blocks.0.attn2.to_k.weight", what)[1],
            attention_head_dim=tuple(width // HEAD_WIDTH for width in widths) if linear else HEADS,
            use_linear_projection=linear,
            down_block_types=tuple("CrossAttnDownBlock2D" if on else "DownBlock2D" for on in attends),
            up_block_types=tuple("CrossAttnUpBlock2D" if on else "UpBlock2D" for on in reversed(attends)),
            **extra,
        )
    return filled(made, state, what, {name: _unet_name(name, per_level, attends[::-1]) for name in made.state_dict()})


def original_layers(unet: Any) -> dict[str, str]:
    """Layer of a UNet2DConditionModel -> its original name; none where the original had no such blocks."""
    ups = getattr(getattr(unet, "config", None), "up_block_types", ())
    if not ups or not set(ups) <= {"UpBlock2D", "CrossAttnUpBlock2D"}:
        return {}
    per_level, attends = unet.config.layers_per_block + 1, [kind == "CrossAttnUpBlock2D" for kind in ups]
    names = [name.removesuffix(".weight") for name in unet.state_dict() if name.endswith(".weight")]
    return {name: _unet_name(f"{name}.weight", per_level, attends).removesuffix(".weight") for name in names}


def _unet_name(name: str, per_level: int, attends: list[bool]) -> str:
    """A UNet's tensor by its original name; `attends`: which levels of the way up have attention."""
    if "resnets." in name:
        for ours, theirs in RESNET.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
    for ours, theirs in UNET.items():
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    side, number, kind, place, rest = name.split(".", 4)
    level = int(number)
    first, down = per_level * level, side == "down_blocks"
    if kind == "downsamplers":
        return f"input_blocks.{first + per_level}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        return f"output_blocks.{first + per_level - 1}.{2 if attends[level] else 1}.{rest}"
    block = f"input_blocks.{first + 1 + int(place)}" if down else f"output_blocks.{first + int(place)}"
    return f"{block}.{0 if kind == 'resnets' else 1}.{rest}"


def vae(state: State, what: str) -> Any:
    """An AutoencoderKL out of the original's tensors; see `unet`."""
    from diffusers import AutoencoderKL

    levels = len({name.split(".")[2] for name in state if name.startswith("encoder.down.")})
    layers = len({name.split(".")[4] for name in state if name.startswith("encoder.down.0.block.")})
    widths = tuple(shape(state, f"encoder.down.{level}.block.0.conv1.weight", what)[0] for level in range(levels))
    with torch.device("meta"):
        made: Any = AutoencoderKL(
            block_out_channels=widths,
            layers_per_block=layers,
            latent_channels=shape(state, "post_quant_conv.weight", what)[0],
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            scaling_factor=VAE_SCALE,
        )

    def original(name: str) -> str:
        name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{levels - 1 - int(found[1])}", name)
        return replaced(name, VAE)

    return filled(made, state, what, {name: original(name) for name in made.state_dict()})


def replaced(name: str, words: Mapping[str, str]) -> str:
    """A name with one word after the other put in the place of ours."""
    for ours, theirs in words.items():
        name = name.replace(ours, theirs)
    return name


def shape(state: State, name: str, what: str) -> list[int]:
    """The shape of a tensor that has to be there.

    Raises:
        ConfigError: it is missing.
    """
    if name not in state:
        refuse_differences(what, [name], ())
    return list(state[name].shape)


def filled(network: Any, state: State, what: str, names: Mapping[str, str]) -> Any:
    """The network with a map's tensors, 1 x 1 convolutions as linear layers where it has those.

    Args:
        names: in the network -> in the map.
    """
    known = set(names.values())
    refuse_differences(what, sorted(known - state.keys()), sorted(state.keys() - known))
    taken, shapes = {}, []
    for name, own in network.state_dict().items():
        value = state[names[name]]
        flat = value.flatten(own.ndim - 1) if value.ndim > own.ndim else value
        if flat.shape != own.shape:
            shapes.append(f"{names[name]} {list(value.shape)}, not {list(own.shape)}")
        taken[name] = flat.float()
    refuse_differences(what, (), (), shapes)
    network.load_state_dict(taken, assign=True)
    return network.requires_grad_(False).eval()

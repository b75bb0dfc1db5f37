"""LoRA files merged into a model's weights when the model is loaded.

Source: Hu et al. 2021 (LoRA, arXiv 2106.09685), sec. 4.1; names of tensors: `maquette.weights.lora_names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from maquette.annotations import InputPath
from maquette.weights.ldm import original_layers
from maquette.weights.lora_files import Addition, lora_file, misfit, read_lora
from maquette.weights.lora_names import PARTS, Part, plain_layer


@dataclass(frozen=True)
class LoraFile:
    """A LoRA file and its scale."""

    path: InputPath  # a .safetensors file, or the folder that peft or diffusers wrote
    scale: float = 1.0  # 0: nothing, 1: as it was trained

    def __post_init__(self) -> None:
        lora_file(self.path)


@torch.no_grad()
def fold_lora(network: nn.Module, part: Part, lora: LoraFile, encoders: int = len(PARTS) - 1) -> None:
    """W += scale alpha / r B A, in place, for each layer of the network that the file has an addition to.

    Args:
        network: a UNet or text encoder as diffusers and transformers make it.
        part: its name; additions of the file to other parts are ignored.
        lora: the file; without an alpha in it, alpha is r.
        encoders: how many text encoders the model has.

    Raises:
        ConfigError: the file cannot be read, is empty, not finite, of a kind that is computed differently, or has keys
            that fit no layer of the model; naming them.
    """
    loaded = read_lora(lora.path)
    additions_by_part = (loaded.unwrap(lora.path) if part == "unet" else loaded.value).additions
    _refuse_foreign(lora, additions_by_part, encoders)
    additions, layers = additions_by_part[part], _layers(network)
    if unknown := [key for name, addition in additions.items() if name not in layers for key in addition.keys]:
        raise misfit(lora.path, f"has {len(unknown)} keys for layers that the {part} does not have", unknown)
    for name, addition in additions.items():
        weight, product = layers[name].weight, addition.product()
        if product.shape != weight.flatten(1).shape:
            shapes = f"{addition.shapes}, and the weight is {list(weight.shape)}"
            raise misfit(lora.path, f"has an addition of another shape than its weight: {shapes}", addition.keys)
        weight += (lora.scale * product).view_as(weight).to(weight)


def _refuse_foreign(lora: LoraFile, additions: Mapping[Part, Mapping[str, Addition]], encoders: int) -> None:
    """Refuse a file with additions to a text encoder that the model does not have."""
    if foreign := [
        key for part in PARTS[1 + encoders :] for addition in additions[part].values() for key in addition.keys
    ]:
        raise misfit(lora.path, f"has {len(foreign)} keys for a text encoder that the model does not have", foreign)


def _layers(network: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """Layers by their normalized names, both diffusers' and the original layout's."""
    named = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    original = {plain_layer(theirs): named[ours] for ours, theirs in original_layers(network).items() if ours in named}
    return original | {plain_layer(name): layer for name, layer in named.items()}

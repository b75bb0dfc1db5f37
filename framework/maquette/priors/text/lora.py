"""LoRA files: low-rank additions to a model's weights, merged into them when the model is loaded.

Tensor names are those of kohya's scripts (`lora_unet_..._to_q.lora_down.weight`, `.lora_up.weight`, `.alpha`; for
SDXL's UNet by the original layout's blocks, `lora_unet_input_blocks_4_1_...`) and of diffusers in its three generations
(`unet....to_q.lora_A.weight`, `....to_q.lora.down.weight`, `....processor.to_q_lora.down.weight`).

Source: Hu et al. 2021 (LoRA, arXiv 2106.09685), sec. 4.1; names as these programs write them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from maquette.annotations import InputPath
from maquette.errors import ConfigError
from maquette.weights.ldm import original_layers

Part = Literal["unet", "text_encoder", "text_encoder_2"]
PARTS: tuple[Part, ...] = get_args(Part)

PREFIXES: dict[str, Part] = {
    "lora_unet_": "unet", "unet.": "unet", "lora_te_": "text_encoder", "lora_te1_": "text_encoder",
    "text_encoder.": "text_encoder", "lora_te2_": "text_encoder_2", "text_encoder_2.": "text_encoder_2",
}  # fmt: skip
ROLE = re.compile(
    r"^(?P<layer>.+?)(?:\.lora_(?P<kohya>down|up)\.weight|\.lora_(?P<peft>[AB])(?:\.default)?\.weight"
    r"|(?:\.lora|_lora|\.lora_linear_layer)\.(?P<older>down|up)\.weight|\.(?P<alpha>alpha))$"
)
UNSUPPORTED = ("use_dora", "use_rslora", "alpha_pattern")
"""Settings in diffusers' metadata under which the additions are computed differently."""


@dataclass(frozen=True)
class LoraFile:
    """A LoRA file and its scale."""

    path: InputPath  # a .safetensors file
    scale: float = 1.0  # 0: nothing, 1: as it was trained

    def __post_init__(self) -> None:
        if not Path(self.path).expanduser().is_file():
            raise ValueError(f"path: there is no file {self.path}")


@dataclass
class _Addition:
    """The two factors of one layer's addition; alpha / rank scales their product."""

    keys: list[str]
    up: Tensor | None = None
    down: Tensor | None = None
    alpha: float | None = None


@torch.no_grad()
def fold_lora(network: nn.Module, part: Part, lora: LoraFile, encoders: int = len(PARTS) - 1) -> None:
    """W += scale alpha / r B A, in place, for each layer of the network that the file has an addition to.

    Args:
        network: a UNet or text encoder as diffusers and transformers make it.
        part: its name; additions of the file to other parts are ignored.
        lora: the file; without an alpha in it, alpha is r.
        encoders: how many text encoders the model has.

    Raises:
        ConfigError: the file cannot be read, is empty, or has keys that fit no layer of the model; naming them.
    """
    additions_by_part = _read(lora)
    _refuse_foreign(lora, additions_by_part, encoders)
    additions = additions_by_part[part]
    layers = _layers(network)
    if unknown := [key for name, addition in additions.items() if name not in layers for key in addition.keys]:
        raise _misfit(lora, f"has {len(unknown)} keys for layers that the {part} does not have", unknown)
    for name, addition in additions.items():
        weight = layers[name].weight
        if addition.up is None or addition.down is None:
            raise _misfit(lora, "has one half of an addition without the other", addition.keys)
        up, down = addition.up.float().flatten(1), addition.down.float().flatten(1)
        if up.shape[1] != len(down) or (len(up), down.shape[1]) != weight.flatten(1).shape:
            shapes = f"{list(up.shape)} times {list(down.shape)}, and the weight is {list(weight.shape)}"
            raise _misfit(lora, f"has an addition of another shape than its weight: {shapes}", addition.keys)
        ratio = 1.0 if addition.alpha is None else addition.alpha / len(down)
        weight += (lora.scale * ratio * up @ down).view_as(weight).to(weight)


def _refuse_foreign(lora: LoraFile, additions: dict[Part, dict[str, _Addition]], encoders: int) -> None:
    """Refuse a file without additions, or with additions to a text encoder that the model does not have."""
    if not any(additions.values()):
        raise _misfit(lora, "holds no additions", ["it is empty"])
    if foreign := [
        key for part in PARTS[1 + encoders :] for addition in additions[part].values() for key in addition.keys
    ]:
        raise _misfit(lora, f"has {len(foreign)} keys for a text encoder that the model does not have", foreign)


def _layers(network: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """Layers by their normalized names, both diffusers' and the original layout's."""
    named = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    original = {_plain(theirs): named[ours] for ours, theirs in original_layers(network).items() if ours in named}
    return original | {_plain(name): layer for name, layer in named.items()}


def _read(lora: LoraFile) -> dict[Part, dict[str, _Addition]]:
    """Part -> layer -> addition."""
    additions: dict[Part, dict[str, _Addition]] = {part: {} for part in PARTS}
    tensors, alphas = _open(lora)
    unknown = []
    for key, tensor in tensors.items():
        prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), "")
        role = ROLE.match(key.removeprefix(prefix))
        if role is None:
            unknown.append(key)
            continue
        part = PREFIXES.get(prefix, "unet")  # the oldest files of diffusers are for the UNet and do not say so
        addition = additions[part].setdefault(_plain(role["layer"]), _Addition([], alpha=alphas.get(part)))
        addition.keys.append(key)
        if role["alpha"]:
            addition.alpha = float(tensor)
        elif role["peft"] == "B" or "up" in (role["kohya"], role["older"]):
            addition.up = tensor
        else:
            addition.down = tensor
    if unknown:
        raise _misfit(lora, f"has {len(unknown)} keys that are no LoRA's", unknown)
    return additions


def _open(lora: LoraFile) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The file's tensors, and alpha by part from diffusers' metadata."""
    path = Path(lora.path).expanduser()
    try:
        with safe_open(path, "pt") as file:
            tensors, notes = {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as problem:
        raise ConfigError(
            f"cannot read a LoRA from {path}: {problem}", key="prior.lora", hint="only safetensors are read"
        ) from problem
    settings = json.loads(notes.get("lora_adapter_metadata", "{}"))
    if odd := [name for name, value in settings.items() if value and name.endswith(UNSUPPORTED)]:
        raise _misfit(lora, "was trained with settings that are not supported", odd)
    endings = ".lora_alpha"
    return tensors, {
        name.removesuffix(endings): float(value) for name, value in settings.items() if name.endswith(endings)
    }


def _plain(layer: str) -> str:
    """A layer's name normalized across programs: kohya's has no dots, older diffusers' has a processor."""
    name = layer.replace(".processor.", ".").replace(".", "_").removeprefix("text_model_")
    return f"{name}_0" if name.endswith("_to_out") else name


def _misfit(lora: LoraFile, what: str, keys: list[str]) -> ConfigError:
    listed = ", ".join(keys[:3]) + (" ..." if len(keys) > 3 else "")
    return ConfigError(
        f"{lora.path} {what}: {listed}", key="prior.lora", hint="a LoRA fits the family of models it was trained on"
    )

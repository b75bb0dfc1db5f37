"""LoRA adapters of a U-Net's attention, by peft: added, trained, and merged into the weights."""

from __future__ import annotations

import copy
from collections.abc import Collection
from importlib.util import find_spec
from typing import Any

from maquette.errors import MissingDependency

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""Matrices of an attention that get an adapter."""


def check_peft() -> None:
    """Check that peft is installed.

    Raises:
        MissingDependency: it is not.
    """
    if find_spec("peft") is None:
        raise MissingDependency('LoRA adapters need peft: pip install "maquette[lora]"')


def add_adapters(unet: Any, rank: int, fresh: Collection[str]) -> None:
    """Freeze a U-Net, add an adapter to each matrix of its attention, and leave what is new to it trainable.

    The adapter of W [m, n] adds B A x to W x, with A [rank, n] Gaussian and B [m, rank] zero at first.

    Source: Hu et al. 2021 (LoRA, arXiv 2106.09685), sec. 4.1.

    Args:
        unet: diffusers' UNet2DConditionModel.
        rank: of the adapters.
        fresh: names of tensors that are not pretrained; they are trained whole, as is the input convolution.

    Raises:
        MissingDependency: peft is missing.
    """
    check_peft()
    from peft import LoraConfig

    unet.requires_grad_(False)
    whole = {name.rpartition(".")[0] for name in fresh}
    targets = [
        name for name, _ in unet.named_modules() if name.endswith(tuple(f".{end}" for end in ATTENTION))
        and name not in whole
    ]  # fmt: skip
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(name.startswith("conv_in.") or name in fresh)
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=targets))
    for parameter in trained:  # peft freezes them
        parameter.requires_grad_(True)


def merged(unet: Any) -> Any:
    """A copy of a U-Net with its adapters added to its weights, a plain UNet2DConditionModel."""
    plain = copy.deepcopy(unet)
    plain.fuse_lora()
    plain.unload_lora()
    return plain

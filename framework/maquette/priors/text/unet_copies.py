"""Trainable copies of a UNet: all of it, or low-rank additions to its attention layers. Both take the camera."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.errors import ConfigError
from maquette.priors.base import CopyKind, TrainableCopy
from maquette.priors.text.unregistered import Unregistered
from maquette.weights.diffusers_folder import run_unet

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_k_proj", "add_v_proj")
"""Names of the linear layers of diffusers' attention."""
CAMERA_MATRIX_SIZE = 16  # entries of a camera-to-world matrix
UNetInputs: TypeAlias = Callable[[Tensor, Tensor, Any], tuple[Tensor, dict[str, Any]]]


class UNetCopy(TrainableCopy):
    """A trainable UNet with an embedding of the camera pose added to its time embedding.

    The additions start at zero, so that it predicts the same as the UNet. Of kind "lora", it shares the UNet's weights
    in memory, frozen.

    Source: Wang et al. 2023 (ProlificDreamer, arXiv 2305.16213), sec. 3.2 and app. on implementation.

    Args:
        unet: the prior's UNet; it is not changed.
        channels: channels of the noisy pictures; further output channels (a learned variance) are dropped.
        dtype: of the arithmetic; float32 is used instead of float16, in which gradients overflow.
        inputs: (noisy, t, condition) -> text embeddings, and further conditioning by name.
    """

    def __init__(
        self, unet: Any, channels: int, kind: CopyKind, rank: int, dtype: torch.dtype, inputs: UNetInputs
    ) -> None:
        super().__init__()
        if unet.class_embedding is not None:
            raise ConfigError(
                "this model has classes of its own, so a trainable copy of it has no place for the camera",
                key="prior.path",
            )
        shared = {} if kind == "copy" else {id(t): t for t in (*unet.parameters(), *unet.buffers())}
        network = copy.deepcopy(unet, shared)
        width = unet.time_embedding.linear_2.out_features
        network.class_embedding = _pose_network(width).to(unet.device)
        if kind == "copy":
            self.trained = nn.ModuleList([network.requires_grad_(True)])
        else:
            self.trained = nn.ModuleList([network.class_embedding, *_add_low_rank(network, rank)])
        self._unet, self._channels, self._inputs = Unregistered(network), channels, inputs
        self._dtype = torch.float32 if dtype == torch.float16 else dtype

    def forward(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        condition: Any,
        pose: Float[Tensor, "B 16"],
    ) -> Float[Tensor, "B C h w"]:
        text, conditioning = self._inputs(noisy, t, condition)
        output = run_unet(self._unet.module, noisy, t, text, self._dtype, class_labels=pose, **conditioning)
        return output[:, : self._channels]


class LowRank(nn.Module):
    """W x + B A x: a linear layer with a low-rank addition, initially 0.

    Source: Hu et al. 2021 (LoRA, arXiv 2106.09685), sec. 4.1.

    Args:
        linear: the layer; it is not changed.
        rank: rows of A.
    """

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        down = nn.Linear(linear.in_features, rank, bias=False)
        up = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.normal_(down.weight, std=1 / rank)
        nn.init.zeros_(up.weight)
        self.addition = nn.Sequential(down, up).to(linear.weight.device)

    def forward(self, x: Float[Tensor, "... n"]) -> Float[Tensor, "... m"]:
        return self.linear(x) + self.addition(x)


def _add_low_rank(network: nn.Module, rank: int) -> list[nn.Module]:
    """Replace the linear layers of all attention layers by `LowRank`; returns the additions."""
    layers = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and name.endswith(tuple(f".{ending}" for ending in ATTENTION))
    ]
    additions: list[nn.Module] = []
    for name, linear in layers:
        layer = LowRank(linear, rank)
        network.set_submodule(name, layer)
        additions.append(layer.addition)
    return additions


def _pose_network(width: int) -> nn.Module:
    last = nn.Linear(width, width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(CAMERA_MATRIX_SIZE, width), nn.SiLU(), last)

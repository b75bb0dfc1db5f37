"""The size of what is trained, in the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count
from maquette.registry import register
from maquette.training.callbacks.base import Callback, LoopState


@register("callback", "parameters")
class Parameters(Callback):
    """Root mean square of every group of parameters, in the metrics: a group that grows or dies out is seen there."""

    @dataclass(frozen=True)
    class Config:
        every: Count = 50  # steps between lines

    def __init__(self, config: Config) -> None:
        self.config = config

    def on_step(self, loop: LoopState, values: Mapping[str, float]) -> None:
        if loop.done % self.config.every == 0:
            groups = {group.name: group.parameters for group in loop.task.groups()}
            loop.log({f"size/{name}": _root_mean_square(tensors) for name, tensors in groups.items()})


def _root_mean_square(tensors: Sequence[Float[Tensor, ...]]) -> float:
    total = sum(float(tensor.detach().double().square().sum()) for tensor in tensors)
    count = sum(tensor.numel() for tensor in tensors)
    return float(torch.tensor(total / max(count, 1)).sqrt())

"""From feature maps to pictures, in a style."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.landscapes.modulation import keep_spread

_SLOPE = 0.2  # of leaky rectifiers


class Decoder(nn.Module):
    """Convolutions from a feature map to a picture; pixels nearer to the border than `padding` see zeros beyond it.

    Source: Hao et al. 2021 (GANcraft, arXiv 2104.07659), app. A, as SceneDreamer has it.
    """

    padding = 4  # pixels to each side that four convolutions of 3 x 3 reach

    def __init__(self, features: int, hidden: int, style: int) -> None:
        super().__init__()
        self.style = nn.Linear(style, 4 * hidden)
        self.first = nn.Conv2d(features, hidden, 1)
        self.wide = nn.ModuleList(_Residual(hidden, 3, bias=False) for _ in range(2))
        self.narrow = _Residual(hidden, 1, bias=True)
        keep_spread(self)
        self.last = nn.Conv2d(hidden, 3, 1)

    def forward(self, features: Float[Tensor, "B F H W"], style: Float[Tensor, "B S"]) -> Float[Tensor, "B 3 H W"]:
        """Pictures in [0, 1]."""
        modulation = self.style(style)[:, :, None, None].chunk(4, dim=1)
        hidden = functional.leaky_relu(self.first(features), _SLOPE)
        for block, scale, shift in zip(self.wide, modulation[::2], modulation[1::2], strict=True):
            hidden = functional.leaky_relu(block(hidden) * (1 + scale) + shift, _SLOPE)
        hidden = functional.leaky_relu(self.narrow(hidden), _SLOPE)
        return (torch.tanh(self.last(hidden)) + 1) / 2


class _Residual(nn.Module):
    def __init__(self, channels: int, side: int, bias: bool) -> None:
        super().__init__()
        self.inner = nn.Conv2d(channels, channels, side, padding=side // 2)
        self.outer = nn.Conv2d(channels, channels, side, padding=side // 2, bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.outer(functional.leaky_relu(self.inner(features), _SLOPE))

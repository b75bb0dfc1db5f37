"""From a landscape seen from above to its scene code: two numbers in (-1, 1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.landscapes.classes import CLASSES

_SLOPE = 0.2  # of leaky rectifiers
_LEAST_SPREAD = 1e-6  # of raw codes, below which they are taken to be equal
CODE = 2  # numbers of a scene code


class SceneEncoder(nn.Module):
    """Encodes height and classes into a scene code.

    Two strided convolutions, one of the height and one of the classes, then blocks that halve the side and double the
    channels, a mean over places, and two linear layers give a raw code r. The scene code is

        f = tanh(A (r - m))

    with m the mean of raw codes over the training worlds and A such that A (r - m) has unit covariance over them. The
    paper has m = 0 and A = 1, as the buffers are at first; but there all worlds begin at one code, and drift together.

    Source: Chen et al. 2023 (SceneDreamer, arXiv 2302.01330), sec. 3.2; sizes by the authors' code; m and A are ours.

    Args:
        width: channels of each of the first two convolutions.
        blocks: number of halving blocks.
        hidden: numbers between the mean over places and the code.
    """

    mean: Float[Tensor, 2]
    whitening: Float[Tensor, "2 2"]

    def __init__(self, width: int = 8, blocks: int = 5, hidden: int = 16) -> None:
        super().__init__()
        self.height = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.classes = nn.Conv2d(len(CLASSES), width, 3, stride=2, padding=1)
        widths = [2 * width * 2**block for block in range(blocks + 1)]
        self.blocks = nn.ModuleList(_Halving(count) for count in widths[:-1])
        self.first, self.second = nn.Linear(widths[-1], hidden), nn.Linear(hidden, CODE)
        self.register_buffer("mean", torch.zeros(CODE))
        self.register_buffer("whitening", torch.eye(CODE))

    def raw(self, maps: Float[Tensor, "B 12 X Y"]) -> Float[Tensor, "B 2"]:
        """Codes before they are standardised; `maps` as `Landscape.encoder_input` gives them."""
        parts = (self.height(maps[:, :1]), self.classes(maps[:, 1:]))
        features = torch.cat([functional.leaky_relu(part, _SLOPE) for part in parts], dim=1)
        for block in self.blocks:
            features = block(features)
        return self.second(functional.leaky_relu(self.first(features.mean(dim=(2, 3))), _SLOPE))

    def forward(self, maps: Float[Tensor, "B 12 X Y"]) -> Float[Tensor, "B 2"]:
        """Scene codes."""
        return self.standardised(self.raw(maps))

    def standardised(self, raw: Float[Tensor, "B 2"]) -> Float[Tensor, "B 2"]:
        """Scene codes of raw codes."""
        return torch.tanh((raw - self.mean) @ self.whitening.mT)

    @torch.no_grad()
    def standardise(self, raw: Float[Tensor, "worlds 2"]) -> None:
        """Set m and A so that these raw codes have mean 0 and unit covariance, however near they are to one another."""
        mean = raw.double().mean(dim=0)
        centred = raw.double() - mean
        values, axes = torch.linalg.eigh(centred.mT @ centred / max(len(raw) - 1, 1))
        scale = (values.clamp(min=_LEAST_SPREAD**2)).rsqrt()
        self.mean.copy_(mean)
        self.whitening.copy_(axes @ torch.diag(scale) @ axes.mT)


class _Halving(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.same = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.halved = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.halved(functional.relu(self.same(features))))

"""The sky: features by the direction of a ray and the style."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.landscapes.modulation import keep_spread

_SLOPE = 0.2  # of leaky rectifiers


class Sky(nn.Module):
    """Features of the sky in a direction, from its coordinates, their sines and cosines, and the style.

    Source: Hao et al. 2021 (GANcraft, arXiv 2104.07659), app. A, as SceneDreamer has it.

    Args:
        frequencies: octaves of the sines and cosines.
        hidden: width of the network.
        features: numbers of a feature.
        style: numbers of a style.
        layers: hidden layers.
    """

    def __init__(self, frequencies: int, hidden: int, features: int, style: int, layers: int = 5) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.style = nn.Linear(style, hidden, bias=False)
        inputs = 3 * (2 * frequencies + 1)
        self.layers = nn.ModuleList(nn.Linear(inputs if layer == 0 else hidden, hidden) for layer in range(layers))
        keep_spread(self)
        self.features = nn.Linear(hidden, features)

    def forward(self, directions: Float[Tensor, "n 3"], style: Float[Tensor, " S"]) -> Float[Tensor, "n F"]:
        """Features in unit directions."""
        first, *others = self.layers
        hidden = functional.leaky_relu(first(self._encoded(directions)) + self.style(style), _SLOPE)
        for layer in others:
            hidden = functional.leaky_relu(layer(hidden), _SLOPE)
        return self.features(hidden)

    def _encoded(self, directions: Tensor) -> Tensor:
        angles = [directions * (math.pi * 2**octave) for octave in range(self.frequencies)]
        waves = [wave for angle in angles for wave in (angle.sin(), angle.cos())]
        return torch.cat([directions, *waves], dim=-1)

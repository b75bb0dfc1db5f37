"""Linear layers whose weights follow a style, and the network that turns a style into what they follow."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.2  # of leaky rectifiers


class ModulatedLinear(nn.Module):
    """y = W (a(s) x) + b(s), with a scale of each input and a shift of each output that are linear in a style s.

    Source: the modulation of StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) without its demodulation, as GANcraft
    (Hao et al. 2021, arXiv 2104.07659) and SceneDreamer have it.
    """

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            nn.init.kaiming_normal_(torch.empty(outputs, inputs), _SLOPE, nonlinearity="leaky_relu")
        )
        self.scale = nn.Parameter(0.5 * torch.randn(inputs, style) / style**0.5)
        self.scale_bias = nn.Parameter(torch.ones(inputs))
        self.shift = nn.Parameter(torch.zeros(outputs, style))
        self.shift_bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, features: Float[Tensor, "n I"], style: Float[Tensor, " S"]) -> Float[Tensor, "n O"]:
        """Features of one picture, all in one style."""
        scale = functional.linear(style, self.scale, self.scale_bias)
        shift = functional.linear(style, self.shift, self.shift_bias)
        return functional.linear(features, self.weight * scale, shift)


class StyleNetwork(nn.Module):
    """Turns a style into the vector that modulated layers follow; only the direction of the style counts."""

    def __init__(self, style: int, outputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(style if layer == 0 else hidden, hidden) for layer in range(layers))
        self.last = nn.Linear(hidden, outputs)
        keep_spread(self)
        self.layers[0].get_parameter("weight").data.mul_(style**0.5)  # the numbers of a direction are that small

    def forward(self, style: Float[Tensor, "B S"]) -> Float[Tensor, "B O"]:
        features = functional.normalize(style, dim=-1)
        for layer in (*self.layers, self.last):
            features = functional.leaky_relu(layer(features), _SLOPE)
        return features


def keep_spread(network: nn.Module) -> None:
    """Give linear layers and convolutions initial weights that keep the spread of features, and no offset.

    With torch's own, each layer takes half of it, and after six of them neither style nor label is seen.

    Source: He et al. 2015, "Delving deep into rectifiers" (arXiv 1502.01852), eq. 14.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            nn.init.kaiming_normal_(layer.weight, _SLOPE, nonlinearity="leaky_relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

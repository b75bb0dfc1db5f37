"""The MLP that decodes the encodings of fields."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class _Mlp(nn.Sequential):
    """Outputs have the dtype of the inputs, under autocast too: geometry needs full precision."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).to(inputs.dtype)


def mlp(inputs: int, width: int, layers: int, outputs: int) -> nn.Sequential:
    """An MLP with `layers` hidden layers of `width` units and ReLU; the last layer's bias starts at 0."""
    widths = [inputs, *[width] * layers]
    hidden: list[nn.Module] = []
    for before, after in pairwise(widths):
        hidden += [nn.Linear(before, after), nn.ReLU(inplace=True)]
    last = nn.Linear(widths[-1], outputs)
    nn.init.zeros_(last.bias)
    return _Mlp(*hidden, last)

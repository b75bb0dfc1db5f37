"""The small network behind the encodings of fields."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class _Mlp(nn.Sequential):
    """Gives the precision that it is given, under autocast as well: what is made of its numbers is geometry."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).to(inputs.dtype)


def mlp(inputs: int, width: int, layers: int, outputs: int) -> nn.Sequential:
    """Linear maps with ReLU between, `layers` of them hidden and `width` wide; the last one starts without a bias."""
    widths = [inputs, *[width] * layers]
    hidden: list[nn.Module] = []
    for before, after in pairwise(widths):
        hidden += [nn.Linear(before, after), nn.ReLU(inplace=True)]
    last = nn.Linear(widths[-1], outputs)
    nn.init.zeros_(last.bias)
    return _Mlp(*hidden, last)

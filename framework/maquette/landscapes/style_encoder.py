"""The style of a picture, as mean and log-variance."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.2  # of leaky rectifiers
_LAST = 4  # side of the last feature map


class StyleEncoder(nn.Module):
    """Halves a picture by convolutions until its side is 4, and gives mean and log-variance of its style.

    Source: Park et al. 2019 (SPADE, arXiv 1903.07291), app. A; sizes by SceneDreamer's code.

    Args:
        side: pictures are resized to it; a power of two times 4.
        filters: channels of the first convolution; each next has twice as many, up to eight times.
        style: numbers of a style.
    """

    def __init__(self, side: int, filters: int, style: int) -> None:
        super().__init__()
        self.side = side
        count = (side // _LAST).bit_length() - 1
        widths = [filters * min(2**layer, 8) for layer in range(count)]
        inputs = [3, *widths[:-1]]
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in zip(inputs, widths, strict=True)
        )
        self.mean, self.log_variance = (nn.Linear(widths[-1] * _LAST**2, style) for _ in range(2))

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B S"], Float[Tensor, "B S"]]:
        """Mean and log-variance for pictures in [0, 1]."""
        features = 2 * pictures - 1
        if features.shape[2:] != (self.side, self.side):
            features = functional.interpolate(features, (self.side, self.side), mode="bilinear")
        for layer in self.layers:
            features = functional.leaky_relu(layer(features), _SLOPE)
        flat = features.flatten(start_dim=1)
        return self.mean(flat), self.log_variance(flat)

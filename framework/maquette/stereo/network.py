"""The network of Deep3D: a trunk like VGG's whose pooled features predict maps, summed over five scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.annotations import Channels, Count, Pixels, Positive, Range
from maquette.randomness import Draws

SCALES = 5  # poolings of the trunk
Purpose = Literal["selection", "direct", "depth"]
"""What the maps are: probabilities of shifts, the right view, or the true shift at the pixels of the left view."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network of Deep3D that a learner chooses. The defaults are the original's."""

    shifts: Count = 32  # number of shifts; one map more shows nothing
    first_shift: Annotated[int, Range(-1024, 1024)] = -15  # of them, columns
    size: tuple[Pixels, Pixels] = (160, 384)  # rows and columns of the input; multiples of 32
    widths: tuple[Channels, Channels, Channels, Channels, Channels] = (64, 128, 256, 512, 512)  # of each scale
    hidden: Channels = 512  # units of fc6 and fc7
    dropout: Annotated[float, Range(0, 0.99)] = 0.5  # fraction of them that a step of training leaves out
    branches: bool = True  # predictions from pool1 to pool4; without them the coarsest is alone
    mean: float = 0.0  # subtracted from colours
    scale: Positive = 255.0  # of colours in [0, 1], before the mean is subtracted

    def __post_init__(self) -> None:
        if any(side % 2**SCALES for side in self.size):
            raise ValueError(f"size is {list(self.size)}; both are multiples of {2**SCALES}")

    @property
    def maps(self) -> int:
        """Maps that the network predicts at each scale."""
        return self.shifts + 1


@dataclass(frozen=True)
class Architecture(Sizes):
    """Sizes of a network of Deep3D; they travel with its weights.

    Channel 0 of a selection's probabilities shows nothing; the others are the shifts `first_shift`, `first_shift` + 1
    and so on, in columns of a frame.
    """

    purpose: Purpose = "selection"  # what the maps are
    frame: tuple[Pixels, Pixels] = (180, 432)  # of the frames that training crops were cut from

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(side < crop for side, crop in zip(self.frame, self.size, strict=True)):
            raise ValueError(f"a frame of {list(self.frame)} has no crops of {list(self.size)}")

    @property
    def outputs(self) -> int:
        """Channels of the result."""
        return {"selection": self.maps, "direct": 3, "depth": 1}[self.purpose]

    @property
    def columns(self) -> tuple[int, ...]:
        """The shifts in columns of a frame."""
        return tuple(range(self.first_shift, self.first_shift + self.shifts))


class MultiScaleNetwork(nn.Module):
    """Maps of a picture's size, predicted from five scales of a convolutional trunk and summed.

    Names of parameters are the original's, with `.weight` for `_weight` and so on. The convolutions after the poolings
    of the trunk predict maps by themselves; deconvolutions, bilinear at first, bring them to half the size, where they
    are added; one more deconvolution and a convolution give the result.

    Source: Xie et al. 2016 (Deep3D, arXiv 1604.03650), sec. 3.1 and fig. 2; names and sizes from its published code.

    Args:
        architecture: its sizes.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        maps, before = a.maps, 3
        for scale, width in enumerate(a.widths, 1):
            for number in range(1, 2 if scale <= 2 else 3):
                self.add_module(f"conv{scale}_{number}", nn.Conv2d(before, width, 3, padding=1))
                before = width
        cells = (a.size[0] >> SCALES) * (a.size[1] >> SCALES)
        self.fc6, self.fc7 = nn.Linear(before * cells, a.hidden), nn.Linear(a.hidden, a.hidden)
        self.pred5 = nn.Linear(a.hidden, maps * cells)
        for scale in self._scales[:-1]:
            width = a.widths[scale - 1]
            self.add_module(f"bn_pool{scale}", nn.BatchNorm2d(width, eps=1e-3, momentum=0.1))
            self.add_module(f"pred{scale}", nn.Conv2d(width, maps, 3, padding=1))
        for scale in self._scales:
            self.add_module(f"deconv_pred{scale}", upsampling(maps, 2 ** (scale - 1)))
        self.deconv_predup = upsampling(maps, 2)
        self.convolution0 = nn.Conv2d(maps, a.outputs, 3, padding=1)

    @property
    def _scales(self) -> tuple[int, ...]:
        """Scales with predictions, the coarsest last."""
        return tuple(range(1, SCALES + 1)) if self.architecture.branches else (SCALES,)

    def forward(self, rgb: Float[Tensor, "B H W 3"], draws: Draws | None = None) -> Float[Tensor, "B K H W"]:
        """The maps, before any softmax.

        Args:
            rgb: crops of frames of the architecture's size, in [0, 1].
            draws: which hidden units are dropped; None: none are.
        """
        a = self.architecture
        features = rgb.permute(0, 3, 1, 2) * a.scale - a.mean
        predictions = []
        for scale in range(1, SCALES + 1):
            for number in range(1, 2 if scale <= 2 else 3):
                features = functional.relu(self.get_submodule(f"conv{scale}_{number}")(features))
            features = functional.max_pool2d(features, 2)
            if scale < SCALES and scale in self._scales:
                normed = self.get_submodule(f"bn_pool{scale}")(features)
                predictions.append(self.get_submodule(f"pred{scale}")(normed))
        predictions.append(self._coarsest(features, draws))
        return self._summed(predictions)

    def _coarsest(self, features: Tensor, draws: Draws | None) -> Tensor:
        """The prediction of the fully connected layers."""
        rows, columns = features.shape[-2:]
        hidden, dropout = features.flatten(1), self.architecture.dropout
        for name in ("fc6", "fc7"):
            hidden = functional.relu(self.get_submodule(name)(hidden))
            if draws is not None and dropout:
                remaining = draws.uniform(name, *hidden.shape) >= dropout
                hidden = hidden * remaining.to(hidden) / (1 - dropout)
        return self.pred5(hidden).unflatten(1, (-1, rows, columns))

    def _summed(self, predictions: list[Tensor]) -> Tensor:
        raised = [
            self.get_submodule(f"deconv_pred{scale}")(functional.relu(prediction))
            for scale, prediction in zip(self._scales, predictions, strict=True)
        ]
        total = functional.relu(torch.stack(raised).sum(0))
        return self.convolution0(functional.relu(self.deconv_predup(total)))

    def initialise(self) -> None:
        """Initial weights of a training from scratch: He's for the trunk, small ones where maps are predicted.

        Deep3D begins with VGG's weights instead, and draws the others uniformly within 0.01.

        Source: He et al. 2015 (arXiv 1502.01852), eq. 10.
        """
        for name, module in self.named_modules():
            if name.startswith(("conv", "fc")) and not name.startswith("convolution"):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # type: ignore[arg-type]
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.get_submodule("conv1_1").weight.div_(self.architecture.scale)  # type: ignore[union-attr,operator]


def upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A learnable deconvolution that begins as bilinear interpolation of each channel by a factor.

    Example:
        >>> layer = upsampling(2, 2)
        >>> layer(torch.ones(1, 2, 3, 3))[0, 0, 2, 2].item()
        1.0
    """
    if factor == 1:
        kernel = torch.ones(1, 1)
        layer = nn.ConvTranspose2d(channels, channels, 1)
    else:
        layer = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2)
        row = 1 - ((torch.arange(2 * factor) + 0.5) / factor - 1).abs()
        kernel = row[:, None] * row
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(channels), range(channels)] = kernel
        layer.bias.zero_()  # type: ignore[union-attr]
    return layer

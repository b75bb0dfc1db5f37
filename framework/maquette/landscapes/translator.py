"""From label maps to pictures: a small network that paints each label in the style of a photograph."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from maquette.annotations import Channels
from maquette.landscapes.classes import LABELS
from maquette.perception.network_folder import SavedNetwork

_GROUPS = 4  # of channels that are normalised together
_SLOPE = 0.2  # of leaky rectifiers


@dataclass(frozen=True)
class TranslatorSizes:
    """Sizes of a translator and its style encoder; they travel with the weights."""

    widths: tuple[Channels, ...] = (96, 64, 48, 24)  # channels from the coarsest resolution to that of the picture
    hidden: Channels = 24  # channels between labels and the modulation of a layer
    style: Channels = 16  # numbers of a style
    encoder_widths: tuple[Channels, ...] = (24, 48, 64, 64)  # of the style encoder, halving the side each

    def __post_init__(self) -> None:
        if not self.widths or not self.encoder_widths:
            raise ValueError("widths and encoder_widths need at least one number each")
        if odd := [width for width in self.widths if width % _GROUPS]:
            raise ValueError(f"widths are multiples of {_GROUPS}, which channels are normalised in; not {odd[0]}")


class SpatialModulation(nn.Module):
    """Normalises features over groups of channels, then scales and shifts each place by what its labels ask for.

    Source: Park et al. 2019 (SPADE, arXiv 1903.07291), sec. 3.1, here with group normalisation, and with style and
    noise beside the labels.
    """

    def __init__(self, channels: int, hidden: int, style: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(len(LABELS) + 1, hidden, 3, padding=1, padding_mode="replicate")
        self.style = nn.Linear(style, hidden)
        self.modulation = nn.Conv2d(hidden, 2 * channels, 3, padding=1, padding_mode="replicate")

    def forward(
        self, features: Float[Tensor, "B C H W"], guide: Float[Tensor, "B G H W"], style: Float[Tensor, "B S"]
    ) -> Float[Tensor, "B C H W"]:
        hidden = functional.relu(self.shared(guide) + self.style(style)[:, :, None, None])
        scale, shift = self.modulation(hidden).chunk(2, dim=1)
        return functional.group_norm(features, _GROUPS) * (1 + scale) + shift


class ModulatedBlock(nn.Module):
    """Residual block of two modulated convolutions."""

    def __init__(self, channels: int, outputs: int, hidden: int, style: int) -> None:
        super().__init__()
        self.first, self.second = (SpatialModulation(count, hidden, style) for count in (channels, outputs))
        self.conv_first = nn.Conv2d(channels, outputs, 3, padding=1, padding_mode="replicate")
        self.conv_second = nn.Conv2d(outputs, outputs, 3, padding=1, padding_mode="replicate")
        self.shortcut = nn.Conv2d(channels, outputs, 1, bias=False)

    def forward(self, features: Tensor, guide: Tensor, style: Tensor) -> Tensor:
        inner = self.conv_first(functional.leaky_relu(self.first(features, guide, style), _SLOPE))
        inner = self.conv_second(functional.leaky_relu(self.second(inner, guide, style), _SLOPE))
        return self.shortcut(features) + inner


class Translator(SavedNetwork):
    """Paints a label map, at any size, with texture from noise; `encode` reads the style of a picture.

    Borders are continued, not filled with zeros, so that nothing depends on the place in the picture.

    Args:
        sizes: its sizes.
    """

    sizes = TranslatorSizes
    title = "translator"
    learner = "landscape-translator"

    def __init__(self, sizes: TranslatorSizes) -> None:
        super().__init__()
        s = self.architecture = sizes
        self.start = nn.Conv2d(len(LABELS) + 1, s.widths[0], 3, padding=1, padding_mode="replicate")
        self.start_style = nn.Linear(s.style, s.widths[0])
        outputs = (*s.widths[1:], s.widths[-1])
        self.blocks = nn.ModuleList(
            ModulatedBlock(width, output, s.hidden, s.style) for width, output in zip(s.widths, outputs, strict=True)
        )
        self.last = nn.Conv2d(s.widths[-1], 3, 3, padding=1, padding_mode="replicate")
        self.style_encoder = PictureStyle(s.encoder_widths, s.style)

    def forward(
        self, labels: Int[Tensor, "B H W"], style: Float[Tensor, "B S"], noise: Float[Tensor, "B H W"]
    ) -> Float[Tensor, "B 3 H W"]:
        """Pictures in [0, 1].

        Args:
            labels: index into LABELS at each pixel.
            style: as `encode` gives it, or standard normal.
            noise: standard normal; other noise paints another texture.
        """
        height, width = labels.shape[1:]
        guide = self._guide(labels, noise)
        levels = len(self.blocks)
        guides = [functional.avg_pool2d(guide[:, :-1], 2**level) if level else guide[:, :-1] for level in range(levels)]
        # Noise keeps its strength at all resolutions: some of its pixels are taken, none are averaged.
        guides = [
            torch.cat([each, guide[:, -1:, :: 2**level, :: 2**level]], dim=1) for level, each in enumerate(guides)
        ]
        features = self.start(guides[-1]) + self.start_style(style)[:, :, None, None]
        for level, block in zip(reversed(range(levels)), self.blocks, strict=True):
            features = block(features, guides[level], style)
            if level:
                features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
        return torch.sigmoid(self.last(functional.leaky_relu(features, _SLOPE)))[:, :, :height, :width]

    def encode(self, pictures: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B S"], Float[Tensor, "B S"]]:
        """Mean and logarithm of the variance of each picture's style."""
        return self.style_encoder(pictures)

    def _guide(self, labels: Tensor, noise: Tensor) -> Tensor:
        """Labels one-hot and noise [B, 13, H, W], continued to a size that all resolutions divide."""
        one_hot = functional.one_hot(labels, len(LABELS)).movedim(-1, 1).to(noise.dtype)
        guide, step = torch.cat([one_hot, noise[:, None]], dim=1), 2 ** (len(self.blocks) - 1)
        lacking = [-side % step for side in labels.shape[1:]]
        return functional.pad(guide, (0, lacking[1], 0, lacking[0]), mode="replicate") if any(lacking) else guide


class PictureStyle(nn.Module):
    """Mean and log-variance of the style of pictures of any size: strided convolutions, then an average over places."""

    def __init__(self, widths: tuple[int, ...], style: int) -> None:
        super().__init__()
        inputs = (3, *widths[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(count, width, 3, stride=2, padding=1) for count, width in zip(inputs, widths, strict=True)
        )
        self.mean, self.log_variance = nn.Linear(2 * widths[-1], style), nn.Linear(2 * widths[-1], style)

    def forward(self, pictures: Float[Tensor, "B 3 H W"]) -> tuple[Float[Tensor, "B S"], Float[Tensor, "B S"]]:
        features = 2 * pictures - 1
        for convolution in self.convolutions:
            features = functional.leaky_relu(convolution(features), _SLOPE)
        # The upper and the lower half apart: sky and ground.
        half = max(features.shape[2] // 2, 1)
        pooled = torch.cat([features[:, :, :half].mean(dim=(2, 3)), features[:, :, -half:].mean(dim=(2, 3))], dim=1)
        return self.mean(pooled), self.log_variance(pooled)

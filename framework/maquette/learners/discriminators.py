"""Opponents that tell real pictures with their label maps from generated ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from maquette.landscapes.classes import LABELS


@dataclass(frozen=True)
class Verdict:
    """What an opponent says of a batch: scores per place at each scale, and its features at all layers."""

    scores: list[Tensor]
    features: list[Tensor]


class LabelledPatches(nn.Module):
    """Scores patches of a picture together with its labels, at the picture's resolution and at half of it.

    Source: Wang et al. 2018 (pix2pixHD, arXiv 1711.11585), sec. 3.2; spectral normalisation, Miyato et al. 2018
    (arXiv 1802.05957).

    Args:
        widths: channels of the convolutions, of which each but the last halves the side.
        scales: number of resolutions.
    """

    def __init__(self, widths: tuple[int, ...] = (48, 96, 96), scales: int = 2) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_Patches(widths) for _ in range(scales))

    def forward(self, pictures: Float[Tensor, "B 3 H W"], labels: Int[Tensor, "B H W"]) -> Verdict:
        one_hot = functional.one_hot(labels, len(LABELS)).movedim(-1, 1).to(pictures.dtype)
        both, scores, features = torch.cat([2 * pictures - 1, one_hot], dim=1), [], []
        for scale in self.scales:
            *inner, score = scale(both)
            scores.append(score)
            features.extend(inner)
            both = functional.avg_pool2d(both, 2)
        return Verdict(scores, features)


class _Patches(nn.Module):
    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (3 + len(LABELS), *widths[:-1])
        strides = [2] * (len(widths) - 1) + [1]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(count, width, 4 if stride == 2 else 3, stride=stride, padding=1))
            for count, width, stride in zip(inputs, widths, strides, strict=True)
        )
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, both: Tensor) -> list[Tensor]:
        outputs = []
        for layer in self.layers:
            both = functional.leaky_relu(layer(both), 0.2)
            outputs.append(both)
        return [*outputs, self.score(both)]

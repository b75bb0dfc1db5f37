"""Control images of ControlNet computed from a rendering: depth, normals and Canny edges.

They follow the conventions that the published ControlNets were trained on.

Source: Zhang et al. 2023 (ControlNet, arXiv 2302.05543) and the notes on the models of version 1.1,
github.com/lllyasviel/ControlNet-v1-1-nightly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from maquette.annotations import NonNegative
from maquette.priors.base import ControlInputs

SMALLEST_DEPTH = 1e-6  # lower limit of depths, and of ranges of inverse depth, in divisions


@dataclass(frozen=True)
class Canny:
    """Settings of the Canny edge detector.

    Source: threestudio, controlnet_guidance.py, which blurs by a box of 5 pixels.
    """

    blur: NonNegative = 1.4  # standard deviation in pixels of the rendering
    low: NonNegative = 50 / 255  # lower threshold on the gradient: edges continue
    high: NonNegative = 100 / 255  # upper threshold on the gradient: edges begin

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low ({self.low:g}) lies above high ({self.high:g})")


def depth_picture(inputs: ControlInputs) -> Float[Tensor, "B H W 3"]:
    """Inverse depth scaled to [0, 1] in each picture, as from MiDaS: near is white, empty space infinitely far."""
    inverse = inputs.opacity / inputs.depth.clamp(min=SMALLEST_DEPTH)
    least, most = inverse.amin((1, 2, 3), keepdim=True), inverse.amax((1, 2, 3), keepdim=True)
    return ((inverse - least) / (most - least).clamp(min=SMALLEST_DEPTH)).expand(*inverse.shape[:3], 3)


def normal_picture(inputs: ControlInputs) -> Float[Tensor, "B H W 3"]:
    """Normals in the axes of ScanNet: red is left, green up, blue to the viewer; empty space faces the viewer."""
    assert inputs.normal is not None
    x, y, z = inputs.normal.split(1, dim=-1)
    return normalize(torch.cat([-x, y, z + 1 - inputs.opacity], dim=-1), dim=-1) / 2 + 0.5


def canny_picture(inputs: ControlInputs, canny: Canny) -> Float[Tensor, "B H W 3"]:
    """Canny edges of the colours, white on black."""
    from skimage import color, feature

    edges = [
        feature.canny(color.rgb2gray(rgb), sigma=canny.blur, low_threshold=canny.low, high_threshold=canny.high)
        for rgb in inputs.rgb.float().cpu().numpy()
    ]
    edge_maps = torch.stack([torch.from_numpy(edge) for edge in edges])
    return edge_maps.to(inputs.rgb)[..., None].expand(*inputs.rgb.shape)

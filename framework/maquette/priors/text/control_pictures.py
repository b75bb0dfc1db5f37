"""What a ControlNet is shown of a rendering, drawn as the pictures that the published ones were trained on.

Source: Zhang et al. 2023 (ControlNet, arXiv 2302.05543) and the notes on the models of version 1.1,
github.com/lllyasviel/ControlNet-v1-1-nightly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from maquette.priors.base import Sight

LEAST = 1e-6  # depth, and difference of inverse depths, that is divided by


@dataclass(frozen=True)
class Canny:
    """What counts as an edge.

    Source: threestudio, controlnet_guidance.py, which blurs by a box of 5 pixels.
    """

    blur: float = 1.4  # standard deviation in pixels of the rendering
    low: float = 50 / 255  # gradient from which on an edge goes on
    high: float = 100 / 255  # gradient from which on one begins

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high or self.blur < 0:
            raise ValueError("low is at least 0 and at most high, and blur is not negative")


def depth_picture(sight: Sight) -> Float[Tensor, "B H W 3"]:
    """Inverse depth from 0 to 1 in each picture, as MiDaS gives it: near is white, nothing is infinitely far."""
    inverse = sight.opacity / sight.depth.clamp(min=LEAST)
    least, most = inverse.amin((1, 2, 3), keepdim=True), inverse.amax((1, 2, 3), keepdim=True)
    return ((inverse - least) / (most - least).clamp(min=LEAST)).expand(*inverse.shape[:3], 3)


def normal_picture(sight: Sight) -> Float[Tensor, "B H W 3"]:
    """Normals in the axes of ScanNet: red is left, green up, blue to the viewer; nothing is a wall that faces them."""
    assert sight.normal is not None
    x, y, z = sight.normal.split(1, dim=-1)
    return normalize(torch.cat([-x, y, z + 1 - sight.opacity], dim=-1), dim=-1) / 2 + 0.5


def canny_picture(sight: Sight, canny: Canny) -> Float[Tensor, "B H W 3"]:
    """White edges of the colours on black."""
    from skimage import color, feature

    edges = [
        feature.canny(color.rgb2gray(rgb), sigma=canny.blur, low_threshold=canny.low, high_threshold=canny.high)
        for rgb in sight.rgb.float().cpu().numpy()
    ]
    found = torch.stack([torch.from_numpy(edge) for edge in edges])
    return found.to(sight.rgb)[..., None].expand(*sight.rgb.shape)

"""A DPT that predicts depth and normals."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import DPTConfig, DPTForDepthEstimation

NORMAL = 3  # channels


class DPTForDepthAndNormals(DPTForDepthEstimation):
    """transformers' DPT with a wider last layer, for inverse depth and a normal.

    Source: Ranftl et al. 2021 (arXiv 2103.13413), sec. 3; three channels for normals as in Omnidata (Eftekhar et al.
    2021, arXiv 2110.04994), here in the camera's frame: x right, y up, z to the viewer.
    """

    def __init__(self, config: DPTConfig) -> None:
        super().__init__(config)
        head: Any = self.head.head
        head[-2] = nn.Conv2d(head[-2].in_channels, 1 + NORMAL, kernel_size=1)
        head[-1] = nn.Identity()  # components of normals have both signs

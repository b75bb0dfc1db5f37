"""One shift for every pixel: a baseline of Deep3D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Range
from maquette.registry import register
from maquette.stereo.base import Stereo
from maquette.stereo.estimates import ShiftProbabilities


@register("stereo", "constant-disparity")
class ConstantDisparity(Stereo):
    """Moves the whole left view by one shift: everything lies in one plane before or behind the screen.

    Source: Xie et al. 2016 (Deep3D, arXiv 1604.03650), sec. 5, the baseline of one disparity for all.
    """

    @dataclass(frozen=True)
    class Config:
        shift: Annotated[float, Range(-0.5, 0.5)] = 0.01  # fraction of the width; positive lies behind the screen

    def __init__(self, config: Config) -> None:
        self.config = config

    def estimate(self, left: Float[Tensor, "B H W 3"]) -> ShiftProbabilities:
        return ShiftProbabilities(left.new_ones(len(left), 1, 1, 1), (self.config.shift,))

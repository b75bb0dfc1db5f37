"""What rays meet first over a height field."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, UInt8
from torch import Tensor

SKY, GROUND, WATER, TREE = 0, 1, 2, 3


@dataclass(frozen=True)
class HeightFieldHits:
    """First meeting of each ray.

    Attributes:
        depth: t of the meeting in units of the ray's direction; infinite where the ray meets nothing.
        kind: SKY (nothing), GROUND, WATER or TREE.
    """

    depth: Float[Tensor, " rays"]
    kind: UInt8[Tensor, " rays"]

"""Drawing numbers from ranges, as camera samplers do."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.randomness import Draws

Range = tuple[float, float]
Elevation = Literal["angle", "sphere", "mixed"]
"""Elevations uniform in angle, in the area of the sphere, or either at even odds."""


def check_ranges(config: Any, *names: str) -> None:
    """Refuse ranges whose ends are the wrong way round, or none at all.

    Raises:
        ValueError: naming the field.
    """
    for name in names:
        low, high = getattr(config, name)
        if low > high:
            raise ValueError(f"{name} is a range from low to high, not [{low}, {high}]")


def between(uniform: Float[Tensor, ...], limits: Range) -> Float[Tensor, ...]:
    """Numbers in [0, 1) -> numbers between limits."""
    return limits[0] + uniform * (limits[1] - limits[0])


def elevations(draws: Draws, count: int, limits: Range, kind: Elevation) -> Float[Tensor, " n"]:
    """`count` elevations in degrees, from the streams `elevation` and `elevation-kind`."""
    uniform = draws.uniform("elevation", count)
    angle = between(uniform, limits)
    low, high = (torch.sin(torch.deg2rad(torch.tensor(limit))).item() for limit in limits)
    area = torch.rad2deg(torch.asin(between(uniform, (low, high)).clamp(-1, 1)))
    if kind == "mixed":
        return torch.where(draws.uniform("elevation-kind", count) < 0.5, angle, area)
    return angle if kind == "angle" else area

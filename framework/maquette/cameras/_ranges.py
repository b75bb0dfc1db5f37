"""Ranges of camera parameters and random sampling from them."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.randomness import Draws

Range = tuple[float, float]
Elevation = Literal["angle", "sphere", "mixed"]
"""Distribution of elevations: uniform in angle, uniform in area of the sphere, or either with probability 1/2."""


def check_ranges(config: Any, *names: str) -> None:
    """Check that the lower limit of each named range is at most the upper one.

    Raises:
        ValueError: naming the field at fault.
    """
    for name in names:
        low, high = getattr(config, name)
        if low > high:
            raise ValueError(f"{name} is a range from low to high, not [{low}, {high}]")


def scale_to_range(uniform: Float[Tensor, ...], limits: Range) -> Float[Tensor, ...]:
    """Map uniform numbers in [0, 1) linearly to the range `limits`."""
    return limits[0] + uniform * (limits[1] - limits[0])


def sample_elevations(draws: Draws, count: int, limits: Range, kind: Elevation) -> Float[Tensor, " n"]:
    """`count` random elevations in degrees, from the streams `elevation` and `elevation-kind`."""
    uniform = draws.uniform("elevation", count)
    angle = scale_to_range(uniform, limits)
    low, high = (torch.sin(torch.deg2rad(torch.tensor(limit))).item() for limit in limits)
    area = torch.rad2deg(torch.asin(scale_to_range(uniform, (low, high)).clamp(-1, 1)))
    if kind == "mixed":
        return torch.where(draws.uniform("elevation-kind", count) < 0.5, angle, area)
    return angle if kind == "angle" else area

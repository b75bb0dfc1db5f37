"""Cameras around an object, and pictures as renderers and data give them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from maquette.cameras import Cameras, orbit_cameras
from maquette.data.base import Target
from maquette.images.picture import Picture
from maquette.materials.base import Shading
from maquette.renderers.base import Rendering


def around(
    *azimuths: float, elevation: float = 0.0, distance: float = 3.0, fov: float = 40.0, size: int = 8
) -> Cameras:
    """Cameras at these azimuths, in degrees, that look at the origin."""
    ones = torch.ones(len(azimuths))
    return orbit_cameras(
        torch.tensor(azimuths, dtype=torch.float32), elevation * ones, distance * ones, fov * ones, size
    )


def front(count: int = 1, **where: Any) -> Cameras:
    """The camera in front, `count` times."""
    return around(*[0.0] * count, **where)


def rendering(rgb: torch.Tensor, **entries: Any) -> Rendering:
    """An opaque rendering of these colours at a distance of 1, over white; `entries` replace others."""
    ones = torch.ones_like(rgb[..., :1])
    return replace(Rendering(rgb, ones, ones, None, None, Shading(), torch.ones_like(rgb)), **entries)


def target(rgb: torch.Tensor) -> Target:
    """Opaque pictures, known from the front."""
    return Target(front(len(rgb), size=rgb.shape[1]), Picture.opaque(rgb))

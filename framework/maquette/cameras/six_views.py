"""The six cameras of Zero123++ models."""

from __future__ import annotations

from typing import Literal

import torch

from maquette.cameras.base import Cameras, orbit_cameras

Layout = Literal["v1.1", "v1.2"]
"""Version of the published Zero123++ models, which have different cameras."""

AZIMUTHS_DEG = (30.0, 90.0, 150.0, 210.0, 270.0, 330.0)  # relative to the reference
ELEVATIONS_DEG: dict[Layout, tuple[float, float]] = {"v1.1": (30.0, -20.0), "v1.2": (20.0, -10.0)}  # alternating
FOV_Y_DEG: dict[Layout, float] = {"v1.1": 49.1, "v1.2": 30.0}


def six_cameras(layout: Layout, azimuth_deg: float, distance: float, size: int) -> Cameras:
    """The cameras of the six views.

    Source: Zero123++'s README, on camera parameters; the angle of view of v1.1: its author in issue 68.

    Args:
        layout: version of the model.
        azimuth_deg: azimuth of the reference; its elevation has no influence.
        distance: scene units; the models take objects of any size.
        size: picture side in pixels.

    Example:
        >>> six_cameras("v1.2", azimuth_deg=0.0, distance=4.0, size=8).elevation_deg
        tensor([ 20., -10.,  20., -10.,  20., -10.])
    """
    azimuths = torch.tensor(AZIMUTHS_DEG)
    elevations = torch.tensor(ELEVATIONS_DEG[layout]).repeat(len(azimuths) // 2)
    ones = torch.ones(len(azimuths))
    return orbit_cameras(azimuths + azimuth_deg, elevations, distance * ones, FOV_Y_DEG[layout] * ones, size)

"""Cameras in a ring around the object, of metrics that render it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from maquette.annotations import Count, ElevationDeg, Pixels
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.scene import Viewpoint


@dataclass(frozen=True)
class Ring:
    """Views from around the object, at the distance and angle of view of `Viewpoint`, whatever scene is measured."""

    views: Count = 8  # azimuths, evenly spaced from the front
    elevation_deg: ElevationDeg = 20.0  # height of the camera above the horizon
    size: Pixels = 128  # picture side in pixels

    def cameras(self) -> Cameras:
        """The cameras, the front one first."""
        view, azimuth = Viewpoint(), torch.arange(self.views) * (360.0 / self.views)
        one = torch.ones_like(azimuth)
        return orbit_cameras(azimuth, self.elevation_deg * one, view.distance * one, view.fov_y_deg * one, self.size)

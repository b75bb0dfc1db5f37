"""A fixed camera: the reference view of image methods."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from maquette.annotations import ElevationDeg, FovDeg, Pixels, Positive
from maquette.cameras.base import Cameras, CameraSampler, orbit_cameras
from maquette.randomness import Moment
from maquette.registry import register


@register("cameras", "fixed")
class Fixed(CameraSampler):
    """The same camera at every step."""

    @dataclass(frozen=True)
    class Config:
        size: Pixels = 64  # picture side in pixels
        azimuth_deg: float = 0.0
        elevation_deg: ElevationDeg = 0.0
        distance: Positive = 3.0  # scene units
        fov_y_deg: FovDeg = 40.0

    def __init__(self, config: Config) -> None:
        self.config = config

    def sample(self, moment: Moment) -> Cameras:
        c, one = self.config, torch.ones(1)
        return orbit_cameras(one * c.azimuth_deg, one * c.elevation_deg, one * c.distance, one * c.fov_y_deg, c.size)

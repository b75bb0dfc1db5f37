"""Cameras evenly spaced around the object: for turntables and scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from maquette.annotations import Count, ElevationDeg, FovDeg, Pixels, Positive
from maquette.cameras.base import Cameras, CameraSampler, orbit_cameras
from maquette.randomness import Moment
from maquette.registry import register


@register("cameras", "orbit")
class Orbit(CameraSampler):
    """`views` cameras at even azimuths from the front on, at one elevation."""

    @dataclass(frozen=True)
    class Config:
        views: Count = 8  # cameras
        size: Pixels = 64  # picture side in pixels
        elevation_deg: ElevationDeg = 15.0
        distance: Positive = 3.0  # scene units
        fov_y_deg: FovDeg = 40.0

    def __init__(self, config: Config) -> None:
        self.config = config

    def sample(self, moment: Moment) -> Cameras:
        c = self.config
        ones = torch.ones(c.views)
        azimuth_deg = torch.arange(c.views) * (360.0 / c.views)
        return orbit_cameras(azimuth_deg, ones * c.elevation_deg, ones * c.distance, ones * c.fov_y_deg, c.size)

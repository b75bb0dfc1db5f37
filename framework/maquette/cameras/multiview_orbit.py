"""Groups of cameras evenly around the object, for priors of several views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from maquette.cameras._ranges import Elevation, Range, between, check_ranges, elevations
from maquette.cameras.base import Cameras, CameraSampler, orbit_cameras, orbit_directions
from maquette.cameras.directions import wrap_deg
from maquette.config.schedules import Schedule
from maquette.randomness import Moment
from maquette.registry import register


@register("cameras", "multiview-orbit")
class MultiviewOrbit(CameraSampler):
    """`groups` times `views` cameras: a group has one elevation, distance and angle of view, and even azimuths.

    The cameras of a group come one after the other, each 360 / `views` degrees further than the one before, the first
    anywhere. Each has a point light near itself, all of a group displaced alike.

    Source: Shi et al. 2023 (MVDream, arXiv 2308.16512), on score distillation, and its code.
    """

    @dataclass(frozen=True)
    class Config:
        groups: Schedule = Schedule.constant(1)  # groups per step, rounded down
        views: int = 4  # cameras of a group
        size: Schedule = Schedule.constant(64)  # picture side in pixels, rounded down
        elevation_deg: Range = (0.0, 30.0)
        elevation: Elevation = "mixed"  # uniform in angle, in area, or either at even odds
        fov_y_deg: Range = (15.0, 60.0)
        relative_distance: Range = (0.8, 1.0)  # times 1 / tan(fov / 2): at 1 the picture is 2 scene units high
        light_spread: float = 1.0  # standard deviation of the lights' direction about their cameras'
        light_distance: Range = (0.8, 1.5)  # scene units from the origin

        def __post_init__(self) -> None:
            check_ranges(self, "elevation_deg", "fov_y_deg", "relative_distance", "light_distance")
            if self.views < 1 or min(value for _, value in self.groups.points) < 1:
                raise ValueError("views and groups are at least 1")
            if min(value for _, value in self.size.points) < 1:
                raise ValueError("size is at least 1 pixel")

    def __init__(self, config: Config) -> None:
        self.config = config

    def sample(self, moment: Moment) -> Cameras:
        c, groups = self.config, int(self.config.groups.at(moment))
        start_deg = moment.draws.uniform("azimuth", groups, low=-180.0, high=180.0)
        elevation_deg = elevations(moment.draws, groups, c.elevation_deg, c.elevation)
        fov_y_deg = between(moment.draws.uniform("fov", groups), c.fov_y_deg)
        distance = between(moment.draws.uniform("distance", groups), c.relative_distance)
        distance = distance / torch.tan(torch.deg2rad(fov_y_deg) / 2)
        displaced = moment.draws.normal("light", groups, 3) * c.light_spread
        light_distance = between(moment.draws.uniform("light-distance", groups), c.light_distance)
        elevation_deg, fov_y_deg, distance, displaced, light_distance = (
            values.repeat_interleave(c.views, dim=0)
            for values in (elevation_deg, fov_y_deg, distance, displaced, light_distance)
        )
        turns_deg = start_deg[:, None] + torch.arange(c.views) * (360 / c.views)
        azimuth_deg = wrap_deg(turns_deg.flatten())
        towards = orbit_directions(azimuth_deg, elevation_deg) + displaced
        light = normalize(towards, dim=-1) * light_distance[:, None]
        size = int(c.size.at(moment))
        return orbit_cameras(azimuth_deg, elevation_deg, distance, fov_y_deg, size, light)

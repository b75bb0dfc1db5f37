"""Groups of cameras at even azimuths around the object, for multi-view priors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from maquette.annotations import Count, ElevationDeg, FovDeg, NonNegative, Positive
from maquette.cameras._ranges import Elevation, check_ranges, sample_elevations, scale_to_range
from maquette.cameras.base import Cameras, CameraSampler, orbit_cameras, orbit_directions
from maquette.cameras.directions import wrap_deg
from maquette.config.schedules import CountSchedule, PixelSchedule, Schedule
from maquette.randomness import Moment
from maquette.registry import register


@register("cameras", "multiview-orbit")
class MultiviewOrbit(CameraSampler):
    """`groups` times `views` cameras: the cameras of a group share elevation, distance and angle of view.

    The cameras of a group are consecutive, 360 / `views` degrees apart in azimuth from a random start. Each has a point
    light near itself, with the same random offset for all cameras of a group.

    Source: Shi et al. 2023 (MVDream, arXiv 2308.16512), on score distillation, and its code.
    """

    @dataclass(frozen=True)
    class Config:
        groups: CountSchedule = Schedule.constant(1)  # groups per step, rounded down
        views: Count = 4  # cameras of a group
        size: PixelSchedule = Schedule.constant(64)  # picture side in pixels, rounded down
        elevation_deg: tuple[ElevationDeg, ElevationDeg] = (0.0, 30.0)
        elevation: Elevation = "mixed"  # uniform in angle, in area, or either with probability 1/2
        fov_y_deg: tuple[FovDeg, FovDeg] = (15.0, 60.0)
        relative_distance: tuple[Positive, Positive] = (
            0.8,
            1.0,
        )  # times 1 / tan(fov / 2): at 1 a picture is 2 high
        light_spread: NonNegative = 1.0  # standard deviation of the lights' direction about their cameras'
        light_distance: tuple[NonNegative, NonNegative] = (0.8, 1.5)  # scene units from the origin

        def __post_init__(self) -> None:
            check_ranges(self, "elevation_deg", "fov_y_deg", "relative_distance", "light_distance")

    def __init__(self, config: Config) -> None:
        self.config = config

    def sample(self, moment: Moment) -> Cameras:
        c, groups = self.config, int(self.config.groups.at(moment))
        start_deg = moment.draws.uniform("azimuth", groups, low=-180.0, high=180.0)
        elevation_deg = sample_elevations(moment.draws, groups, c.elevation_deg, c.elevation)
        fov_y_deg = scale_to_range(moment.draws.uniform("fov", groups), c.fov_y_deg)
        distance = scale_to_range(moment.draws.uniform("distance", groups), c.relative_distance)
        distance = distance / torch.tan(torch.deg2rad(fov_y_deg) / 2)
        light_offset = moment.draws.normal("light", groups, 3) * c.light_spread
        light_distance = scale_to_range(moment.draws.uniform("light-distance", groups), c.light_distance)
        elevation_deg, fov_y_deg, distance, light_offset, light_distance = (
            values.repeat_interleave(c.views, dim=0)
            for values in (elevation_deg, fov_y_deg, distance, light_offset, light_distance)
        )
        group_azimuth_deg = start_deg[:, None] + torch.arange(c.views) * (360 / c.views)
        azimuth_deg = wrap_deg(group_azimuth_deg.flatten())
        towards = orbit_directions(azimuth_deg, elevation_deg) + light_offset
        light = normalize(towards, dim=-1) * light_distance[:, None]
        size = int(c.size.at(moment))
        return orbit_cameras(azimuth_deg, elevation_deg, distance, fov_y_deg, size, light)

"""Cameras drawn at random around the object, with DreamFusion's perturbations and light."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from maquette.annotations import Count, ElevationDeg, FovDeg, NonNegative, Positive
from maquette.cameras._ranges import Elevation, Range, check_ranges, sample_elevations, scale_to_range
from maquette.cameras.base import Cameras, CameraSampler, look_at, orbit_positions
from maquette.config.schedules import FractionSchedule, PixelSchedule, Schedule
from maquette.randomness import Moment
from maquette.registry import register


@register("cameras", "random-orbit")
class RandomOrbit(CameraSampler):
    """Random azimuth, elevation, distance and angle of view, looking at the object, each with a point light.

    Source: Poole et al. 2022 (DreamFusion, arXiv 2209.14988), sec. 3.1 and app. A.
    """

    @dataclass(frozen=True)
    class Config:
        batch: Count = 1  # cameras per step
        size: PixelSchedule = Schedule.constant(64)  # picture side in pixels, rounded down
        azimuth_deg: Range = (-180.0, 180.0)
        elevation_deg: tuple[ElevationDeg, ElevationDeg] = (-10.0, 90.0)
        elevation: Elevation = "mixed"  # uniform in angle, in area, or either with probability 1/2
        distance: tuple[Positive, Positive] = (1.0, 1.5)  # scene units
        fov_y_deg: tuple[FovDeg, FovDeg] = (40.6, 71.1)
        widening: FractionSchedule = Schedule.constant(
            1.0
        )  # fraction of the azimuth and elevation ranges that is used, about their centres
        position_jitter: NonNegative = 0.0  # largest displacement of the position per axis, scene units
        target_jitter: NonNegative = 0.0  # standard deviation of the look-at point
        up_jitter: NonNegative = 0.0  # standard deviation added to the up vector
        light_spread: NonNegative = 1.0  # standard deviation of the light's direction about the camera's
        light_distance: tuple[NonNegative, NonNegative] = (0.8, 1.5)  # scene units from the origin

        def __post_init__(self) -> None:
            check_ranges(self, "azimuth_deg", "elevation_deg", "distance", "fov_y_deg", "light_distance")

    def __init__(self, config: Config) -> None:
        self.config = config

    def sample(self, moment: Moment) -> Cameras:
        c, n = self.config, self.config.batch
        widening = c.widening.at(moment)
        azimuth_deg = scale_to_range(moment.draws.uniform("azimuth", n), _narrow_range(c.azimuth_deg, widening))
        elevation_deg = sample_elevations(moment.draws, n, _narrow_range(c.elevation_deg, widening), c.elevation)
        distance = scale_to_range(moment.draws.uniform("distance", n), c.distance)
        fov_y_deg = scale_to_range(moment.draws.uniform("fov", n), c.fov_y_deg)
        position = orbit_positions(azimuth_deg, elevation_deg, distance)
        up = torch.tensor([0.0, 0.0, 1.0]).expand(n, 3) + moment.draws.normal("up", n, 3) * c.up_jitter
        jittered_position = position + moment.draws.uniform("position", n, 3, low=-1.0) * c.position_jitter
        c2w = look_at(jittered_position, moment.draws.normal("target", n, 3) * c.target_jitter, normalize(up, dim=-1))
        towards = normalize(position / distance[:, None] + moment.draws.normal("light", n, 3) * c.light_spread, dim=-1)
        light = towards * scale_to_range(moment.draws.uniform("light-distance", n), c.light_distance)[:, None]
        size = int(c.size.at(moment))
        return Cameras(c2w, fov_y_deg, azimuth_deg, elevation_deg, distance, size, size, light)


def _narrow_range(limits: Range, fraction: float) -> Range:
    middle, half = (limits[0] + limits[1]) / 2, (limits[1] - limits[0]) / 2
    return middle - half * fraction, middle + half * fraction

"""A fixed list of cameras, for priors and comparisons that need certain views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import ElevationDeg, FovDeg, Positive
from maquette.cameras.base import Cameras, CameraSampler, orbit_cameras
from maquette.config.schedules import PixelSchedule, Schedule
from maquette.randomness import Moment
from maquette.registry import register

LIST_FIELDS = ("azimuth_deg", "elevation_deg", "distance", "fov_y_deg")


@register("cameras", "list")
class ListedCameras(CameraSampler):
    """The same listed cameras at every step; shorter lists are repeated to the length of the longest.

    Elevations [20, -10] with six azimuths are 20, -10, 20, -10, 20, -10.
    """

    @dataclass(frozen=True)
    class Config:
        azimuth_deg: tuple[float, ...] = (0.0, 90.0, 180.0, 270.0)
        elevation_deg: tuple[ElevationDeg, ...] = (15.0,)
        distance: tuple[Positive, ...] = (3.0,)  # scene units
        fov_y_deg: tuple[FovDeg, ...] = (40.0,)
        azimuth_offset_deg: float = 0.0  # added to all azimuths: the azimuth of the reference that they are relative to
        size: PixelSchedule = Schedule.constant(64)  # picture side in pixels, rounded down

        def __post_init__(self) -> None:
            lengths = {name: len(getattr(self, name)) for name in LIST_FIELDS}
            longest = max(lengths.values())
            for name, length in lengths.items():
                if length == 0 or longest % length:
                    raise ValueError(f"{name} has {length} entries, which do not go evenly into {longest} cameras")

    def __init__(self, config: Config) -> None:
        self.config = config

    def sample(self, moment: Moment) -> Cameras:
        c = self.config
        count = max(len(getattr(c, name)) for name in LIST_FIELDS)

        def repeated(values: tuple[float, ...]) -> Float[Tensor, " n"]:
            return torch.tensor(values, dtype=torch.float32).repeat(count // len(values))

        azimuth_deg = repeated(c.azimuth_deg) + c.azimuth_offset_deg
        size = int(c.size.at(moment))
        return orbit_cameras(azimuth_deg, repeated(c.elevation_deg), repeated(c.distance), repeated(c.fov_y_deg), size)

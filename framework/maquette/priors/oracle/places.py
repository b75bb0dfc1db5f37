"""Where pictures of a set were taken from, and how much one taken from elsewhere counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras, orbit_directions


@dataclass(frozen=True)
class CameraKernel:
    """How far from a picture's own camera it still counts; both are standard deviations.

    Args:
        angle_deg: between the directions from which the object is seen.
        distance: of the distances from it, in scene units.
    """

    angle_deg: float = 10.0
    distance: float = 0.5

    def __post_init__(self) -> None:
        if not (self.angle_deg > 0 and self.distance > 0):
            raise ValueError(f"both widths are positive, not {self.angle_deg} and {self.distance}")

    def log_weights(self, wanted: Standpoints, given: Standpoints) -> Float[Tensor, "B N"]:
        """log exp(-angle^2 / 2 w_a^2 - (difference of distances)^2 / 2 w_d^2) of each pair."""
        cosine = (wanted.directions() @ given.directions().T).clamp(-1, 1)
        angles = torch.rad2deg(torch.arccos(cosine)) / self.angle_deg
        apart = (wanted.distance[:, None] - given.distance) / self.distance
        return -0.5 * (angles.square() + apart.square())


@dataclass(frozen=True)
class Standpoints:
    """Where B cameras stand on their orbits, float64."""

    azimuth_deg: Float[Tensor, " B"]
    elevation_deg: Float[Tensor, " B"]
    distance: Float[Tensor, " B"]

    @staticmethod
    def of(cameras: Cameras, device: torch.device) -> Standpoints:
        """Those of cameras."""
        values = (cameras.azimuth_deg, cameras.elevation_deg, cameras.distance)
        return Standpoints(*(value.to(device, torch.float64) for value in values))

    def __getitem__(self, index: Int[Tensor, " n"]) -> Standpoints:
        """Some of them."""
        return Standpoints(self.azimuth_deg[index], self.elevation_deg[index], self.distance[index])

    def directions(self) -> Float[Tensor, "B 3"]:
        """Unit vectors from the origin."""
        return orbit_directions(self.azimuth_deg, self.elevation_deg)

    def moved(self, start: Standpoints, end: Standpoints) -> Standpoints:
        """All of these [M], moved as from the one of `start` to each of `end` [B], [B * M], M varying fastest."""

        def move(here: Tensor, first: Tensor, last: Tensor) -> Tensor:
            return ((last - first)[:, None] + here).flatten()

        return Standpoints(
            move(self.azimuth_deg, start.azimuth_deg, end.azimuth_deg),
            move(self.elevation_deg, start.elevation_deg, end.elevation_deg),
            move(self.distance, start.distance, end.distance),
        )

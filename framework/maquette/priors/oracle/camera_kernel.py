"""Camera positions on orbits, and a normal kernel on the angle and distance between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras, orbit_directions


@dataclass(frozen=True)
class CameraKernel:
    """A normal kernel on the difference between two cameras; both settings are standard deviations.

    Args:
        angle_deg: Positive
        distance: Positive
    """

    angle_deg: float = 10.0
    distance: float = 0.5

    def log_weights(self, target: OrbitPositions, available: OrbitPositions) -> Float[Tensor, "B N"]:
        """-angle^2 / (2 w_a^2) - (difference of distances)^2 / (2 w_d^2) of B x N pairs of cameras."""
        cosine = (target.directions() @ available.directions().T).clamp(-1, 1)
        angles = torch.rad2deg(torch.arccos(cosine)) / self.angle_deg
        difference = (target.distance[:, None] - available.distance) / self.distance
        return -0.5 * (angles.square() + difference.square())


@dataclass(frozen=True)
class OrbitPositions:
    """Azimuth, elevation and distance of B cameras, float64."""

    azimuth_deg: Float[Tensor, " B"]
    elevation_deg: Float[Tensor, " B"]
    distance: Float[Tensor, " B"]

    @staticmethod
    def of(cameras: Cameras, device: torch.device) -> OrbitPositions:
        """The positions of cameras."""
        values = (cameras.azimuth_deg, cameras.elevation_deg, cameras.distance)
        return OrbitPositions(*(value.to(device, torch.float64) for value in values))

    def __getitem__(self, index: Int[Tensor, " n"]) -> OrbitPositions:
        """The positions at these indices."""
        return OrbitPositions(self.azimuth_deg[index], self.elevation_deg[index], self.distance[index])

    def directions(self) -> Float[Tensor, "B 3"]:
        """Unit vectors from the origin to the cameras."""
        return orbit_directions(self.azimuth_deg, self.elevation_deg)

    def shifted(self, start: OrbitPositions, end: OrbitPositions) -> OrbitPositions:
        """M positions, each shifted by `end` - `start` for B ends and one start: [B * M], M varying fastest."""

        def shift(position: Tensor, first: Tensor, last: Tensor) -> Tensor:
            return ((last - first)[:, None] + position).flatten()

        return OrbitPositions(
            shift(self.azimuth_deg, start.azimuth_deg, end.azimuth_deg),
            shift(self.elevation_deg, start.elevation_deg, end.elevation_deg),
            shift(self.distance, start.distance, end.distance),
        )

"""The reference picture of a case, and the camera that took it, by the settings of a metric."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from maquette.annotations import ElevationDeg, FovDeg, Fraction, Pixels, Positive
from maquette.cameras.base import Cameras
from maquette.data.formats import PosedImages
from maquette.data.image import ImageData
from maquette.images.picture import Picture
from maquette.metrics.base import Case
from maquette.metrics.subjects import ViewsSubject


@dataclass(frozen=True)
class ReferenceView:
    """Where the reference picture of a case was taken from, and its framing: as in the data `image`."""

    elevation_deg: ElevationDeg = 0.0  # of the reference camera
    azimuth_deg: float = 0.0  # of the reference camera; 0: it faces the front
    distance: Positive = 3.2  # scene units
    fov_y_deg: FovDeg = 35.0
    fill: Fraction = 0.7  # fraction of the image side that the object's longer side takes; 0: keep the framing
    size: Pixels = 256  # side of the compared pictures in pixels

    def read(self, case: Case) -> tuple[Cameras, Picture]:
        """The camera and the framed picture of a case that has an image with an alpha channel."""
        data = ImageData(
            ImageData.Config(
                path=case.image, elevation_deg=self.elevation_deg, azimuth_deg=self.azimuth_deg,
                distance=self.distance, fov_y_deg=self.fov_y_deg, size=self.size, fill=self.fill, depth="", normal="",
                matting=None,
            )
        )  # fmt: skip
        data.prepare(torch.device("cpu"))
        target = data.all()
        return target.cameras, target.picture

    def subject(self, case: Case) -> ViewsSubject:
        """What renders the reference picture itself."""
        cameras, picture = self.read(case)
        return ViewsSubject(PosedImages(picture, cameras, ("test",), ("reference",)))
